// Cameras from a shop, simulated as processes of their own that speak ONVIF: one whose service has a key, and one that is added by its stream and
// then gets what else it can do, another picture and a certificate, and is moved in the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible } from './axe.mjs';
import { keep, until } from './box.mjs';
import { later, open, seen, shop } from './cameras.mjs';
import { onScreen } from './picture.mjs';

const secret = 'c0rrect-horse-battery';

/** Whether a video has a picture of that width. */
const shows = (video, width) => video.evaluate((v, width) => v.readyState >= 2 && v.videoWidth === width, width);

test('cameras from a shop', async (t) => {
  const [gate, yard] = await shop(t, ['-password', secret, '-https', '-plain'], ['-password', secret, '-https']);
  const { page, origin, dir, enter } = await open(t);
  await enter();
  const dialog = page.getByRole('dialog');
  const card = (name) => page.getByRole('listitem').filter({ has: page.getByRole('heading', { name }) });
  const api = (path, method = 'GET', body) =>
    page.evaluate(async ([path, method, body]) => (await fetch(path, { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) })).json(), [path, method, body]);
  const camera = async (name) => (await api('/api/cameras')).find((c) => c.name === name);

  await t.test('one whose service has a key is added when that was compared', async () => {
    await page.getByRole('button', { name: 'Add camera' }).click();
    await dialog.getByLabel('Address of the camera').fill(gate.encrypted);
    await dialog.getByLabel('User').fill('operator');
    await dialog.getByLabel('Password', { exact: true }).fill(secret);
    await dialog.getByRole('button', { name: 'Test the camera' }).click();
    const print = (await dialog.getByTestId('fingerprint').innerText()).replace(/\W/g, '');
    assert.ok(await dialog.getByRole('button', { name: 'Show its picture' }).isDisabled(), 'no password before the key was compared');
    await dialog.getByLabel('I trust this fingerprint').check();
    await dialog.getByRole('button', { name: 'Show its picture' }).click();
    await until('its picture', () => shows(dialog.getByTestId('test-picture'), 960));
    await dialog.getByText('This connection is not encrypted').waitFor();
    await dialog.getByLabel('Name').fill('Gate');
    await dialog.getByRole('button', { name: 'Add this camera' }).click();
    await card('Gate').getByText('Online').waitFor();
    const added = await camera('Gate');
    assert.deepEqual([added.trust, added.onvif, added.fingerprint], ['plain', gate.encrypted, print], 'its pictures are plain, and its service is known by its key');
    assert.equal((await api(`/api/cameras/${added.id}/imaging`)).brightness.value, 50, 'over the key that was accepted');
  });

  await t.test('its address is changed with the password that is stored, and its key stays', async () => {
    const { fingerprint } = await camera('Gate');
    await page.getByRole('button', { name: 'Change Gate' }).click();
    await dialog.getByText('Address and password').click();
    await dialog.getByLabel('Address', { exact: true }).fill(gate.sub);
    await dialog.getByRole('button', { name: 'Test the camera' }).click();
    await until('its picture', () => shows(dialog.getByTestId('test-picture'), 320));
    await dialog.getByRole('button', { name: 'Save' }).click();
    await card('Gate').getByText(gate.sub).waitFor();
    await card('Gate').getByText('Online').waitFor();
    assert.equal((await camera('Gate')).fingerprint, fingerprint);
  });

  await t.test('one is given its other addresses, each looked at first', async () => {
    await api('/api/cameras', 'POST', { name: 'Yard', url: yard.main.replace('//', `//operator:${secret}@`) });
    await page.getByRole('button', { name: 'Change Yard' }).click();
    await dialog.getByText('More: small stream and ONVIF').click();
    assert.ok(await dialog.getByRole('button', { name: 'Save' }).isVisible(), 'nothing to look at yet');
    // Another host is refused before anything is told to it.
    await dialog.getByLabel('Address of the small stream').fill('rtsp://192.0.2.9/sub');
    await dialog.getByRole('button', { name: 'Test the camera' }).click();
    await dialog.getByRole('alert').getByText('at another host').waitFor();
    await dialog.getByRole('button', { name: 'Save without a test' }).waitFor();
    await dialog.getByLabel('Address of the small stream').fill('');
    const service = dialog.getByLabel('Address of its ONVIF service');
    await service.fill(new URL(yard.service).host);
    await dialog.getByRole('button', { name: 'Test the camera' }).click();
    await dialog.getByText('answers over ONVIF').waitFor();
    await dialog.getByText('It names a small stream as well').waitFor();
    assert.equal(await dialog.getByLabel('Address of the small stream').inputValue(), yard.sub, 'found without being asked for');
    await until('a picture of the small stream', () => shows(dialog.getByTestId('test-picture'), 320));
    await dialog.getByText('H.264 320 × 180').waitFor();
    // Its service over HTTPS shows a key that nobody vouches for.
    await service.fill(yard.encrypted);
    await dialog.getByRole('button', { name: 'Test the camera' }).click();
    await dialog.getByTestId('fingerprint').waitFor();
    assert.ok(await dialog.getByRole('button', { name: 'Test the camera' }).isDisabled());
    await keep(page, 'edit-key');
    await dialog.getByLabel('I trust this fingerprint').check();
    await dialog.getByRole('button', { name: 'Test the camera' }).click();
    await dialog.getByText('answers over ONVIF').waitFor();
    await accessible(page, 'edit');
    await keep(page, 'edit-more');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await card('Yard').getByText('Small stream').waitFor();
    const changed = await camera('Yard');
    assert.deepEqual([changed.trust, changed.onvif, changed.sub.url, changed.fingerprint.length], ['plain', yard.encrypted, yard.sub, 64]);
  });

  await t.test('its picture is adjusted', async () => {
    const { id } = await camera('Yard');
    const lens = () => api(`/api/cameras/${id}/imaging`);
    await page.getByRole('button', { name: 'Adjust the picture of Yard' }).click();
    await dialog.locator('[data-testid=tile][data-state=live]').waitFor();
    const brightness = dialog.getByLabel('Brightness');
    await brightness.focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowRight');
    await until('a brighter picture', async () => (await lens()).brightness.value === 55);
    await dialog.getByRole('radio', { name: 'Night' }).check();
    await until('the picture of a night', async () => (await lens()).day_night === 'night');
    for (const name of ['Contrast', 'Colour', 'Sharpness']) assert.ok(await dialog.getByLabel(name).isVisible());
    await accessible(page, 'imaging');
    await keep(page, 'imaging');
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: 'dark' });
    await keep(page, 'imaging-phone');
    await accessible(page, 'imaging, dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1440, height: 900 });
    await dialog.getByRole('button', { name: 'Put it back as it was' }).click();
    await until('the picture of before', async () => {
      const now = await lens();
      return now.brightness.value === 50 && now.day_night === 'auto';
    });
    await page.keyboard.press('Escape');
  });

  await t.test('says how it is protected and what would be better, in four languages', async () => {
    const lines = {
      de: [/Besser: ein Zertifikat geben/, 'Nicht verschlüsselt', 'Nächster besserer Schritt:', 'Diese Kamera spricht ONVIF'],
      fr: [/Mieux : lui donner un certificat/, 'Non chiffrée', 'Pour faire mieux :', 'Cette caméra parle ONVIF'],
      es: [/Mejor: darle un certificado/, 'Sin cifrar', 'Para mejorar:', 'Esta cámara habla ONVIF'],
      en: [/Better: give it a certificate/, 'Not encrypted', 'Next better step:', 'This camera speaks ONVIF'],
    };
    for (const [language, [line, badge, next, step]] of Object.entries(lines)) {
      await page.evaluate((language) => localStorage.setItem('cardea.language', language), language);
      await page.reload();
      await card('Yard').getByText(line).waitFor();
      await card('Yard').getByRole('button', { name: badge }).click();
      await dialog.getByText(next).waitFor();
      await dialog.getByText(step).waitFor();
      await page.keyboard.press('Escape');
    }
  });

  await t.test('is given a certificate, and lets in nobody without one', async () => {
    later(dir);
    await page.getByRole('button', { name: 'Give it a certificate: Yard' }).click();
    await keep(page, 'enrol');
    await dialog.getByRole('button', { name: 'Make its certificate' }).click();
    const proof = page.getByLabel('Your sign-in password');
    await proof.waitFor();
    await keep(page, 'enrol-proof');
    assert.ok((await seen(page, page.getByText('The camera makes its key, this box certifies it'))) > 0, 'a certificate wants a fresh proof');
    await keep(page, 'enrol-busy');
    await page.getByText('Yard is paired now.').waitFor();
    await card('Yard').getByRole('button', { name: 'Paired: what this means' }).click();
    await dialog.getByText('know each other by certificates made here').waitFor();
    await page.keyboard.press('Escape');
    await card('Yard').getByText('Nothing is left to do').waitFor();
    await card('Yard').getByText('renewed by itself').waitFor();
    await card('Yard').getByText('Online').waitFor();
    const paired = await camera('Yard');
    assert.deepEqual([paired.trust, new URL(paired.url).protocol, new URL(paired.sub.url).protocol, new URL(paired.onvif).protocol], ['paired', 'rtsps:', 'rtsps:', 'https:']);
    await accessible(page, 'enrolled');
    await keep(page, 'cameras-shop');
    await page.goto(`${origin}/live?camera=${paired.id}`);
    const tile = page.getByTestId('tile').filter({ hasText: 'Yard' });
    await until('it is live over its certificate', async () => (await tile.getAttribute('data-state')) === 'live');
    await until('its picture', () => onScreen(tile.locator('video')));
  });

  await t.test('is moved by pointer and keys, and stops when it is let go', async () => {
    const at = (n) => until(`act ${n} of the motor`, () => yard.moved()[n]);
    assert.deepEqual(yard.moved(), []);
    await page.getByRole('button', { name: 'Move Yard' }).click();
    const left = page.getByRole('button', { name: 'Left', exact: true });
    await left.hover();
    await accessible(page, 'the pad');
    await keep(page, 'live-move');
    await page.mouse.down();
    await until('it is told again while it is held', () => yard.moved().length >= 3);
    await page.mouse.up();
    await until('the stop', () => yard.moved().at(-1) === 'stop');
    assert.deepEqual([...new Set(yard.moved().slice(0, -1))], ['move -0.600 0.000 0.000 for PT1.0S']);
    let acts = yard.moved().length;
    await left.focus();
    for (const [key, way] of [['ArrowUp', '0.000 0.600 0.000'], ['+', '0.000 0.000 0.600']]) {
      await page.keyboard.down(key);
      assert.equal(await at(acts), `move ${way} for PT1.0S`);
      await page.keyboard.up(key);
      await until('the stop', () => yard.moved().at(-1) === 'stop');
      acts = yard.moved().length;
    }
    assert.match(page.url(), /camera=/, 'the arrows did not leave the camera');
    // What the camera calls its positions comes without what could disturb a page.
    await page.getByLabel('Saved positions').selectOption('door b');
    assert.equal(await at(acts), 'preset door <b>');
    await page.getByRole('button', { name: 'Home position' }).click();
    assert.equal(await at(acts + 1), 'home');
    assert.equal(yard.moved().length, acts + 2, 'nothing else was asked of it');
    assert.deepEqual(gate.moved(), []);
    await page.setViewportSize({ width: 390, height: 844 });
    const tile = page.locator('[data-testid=tile].single');
    await until('the whole pad in the picture of a phone', async () => {
      const [picture, ...parts] = await Promise.all([tile, ...(await page.getByRole('group', { name: 'Direction of Yard' }).locator('button, select').all())].map((e) => e.boundingBox()));
      const within = (p) => p.x >= picture.x && p.y >= picture.y && p.x + p.width <= picture.x + picture.width && p.y + p.height <= picture.y + picture.height;
      const apart = (a, b) => a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
      return parts.length === 8 && parts.every((p, i) => within(p) && parts.slice(i + 1).every((other) => apart(p, other)));
    });
    await accessible(page, 'the pad on a phone');
    await keep(page, 'live-move-phone');
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  await t.test('previews are switched off and on in the settings', async () => {
    await page.goto(`${origin}/settings`);
    const previews = page.getByRole('checkbox', { name: 'Previews of recordings' });
    await until('the setting', () => previews.isEnabled());
    assert.ok(await previews.isChecked());
    for (const on of [false, true]) {
      await previews.setChecked(on);
      await until('it is stored', async () => (await api('/api/settings')).previews === on);
    }
    await keep(page, 'settings-previews');
  });

  assert.deepEqual(page.complaints, []);
});

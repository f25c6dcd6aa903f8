// Cameras that prove who they are, and what becomes of them when they no longer do. One is paired by the code that it shows, and again
// by its QR code; the key of another one is pinned.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import { accessible } from './axe.mjs';
import { binary, keep, Program, scratch, until } from './box.mjs';
import { open, seen } from './cameras.mjs';
import { onScreen } from './picture.mjs';
import { eye, film, readsCodes } from './qr.mjs';

test('a paired camera', async (t) => {
  const dir = scratch(t, 'camera');
  let listen = '127.0.0.1:0';
  let camera;
  const start = async () => {
    camera = new Program('camera', '--data', dir, '--listen', listen, '--source', 'test:', '--name', 'Porch', '--quiet', '--qr');
    listen = await camera.says(/^Address: (\S+)$/m);
    return camera.says(/^Activation code: (\d{4} \d{4})/m);
  };
  const code = await start();
  t.after(() => camera.stop());

  // The camera of the browser is Chromium's own, which sees a film of what the console prints. Only the reader of codes is put in, as Chromium has none
  // on Linux; it reads what that camera sees.
  const seenByPhone = join(scratch(t, 'film'), 'code.y4m');
  const { page, origin, enter } = await open(t, { args: eye(seenByPhone) });
  await readsCodes(page);
  await enter();
  const dialog = page.getByRole('dialog');

  await t.test('is paired by the code from its console, and its picture is there at once', async () => {
    await page.getByRole('button', { name: 'Add camera' }).click();
    await dialog.getByRole('heading', { name: 'Found on your network' }).waitFor();
    await keep(page, 'add-choose');
    await accessible(page, 'add');
    await dialog.getByLabel('Address of the camera').fill(listen);
    await dialog.getByRole('button', { name: 'pair it' }).click();
    assert.equal(await dialog.getByLabel('Its address').inputValue(), listen);
    await dialog.getByLabel('Activation code').fill(code === '0000 0000' ? '0000 0001' : '0000 0000');
    await dialog.getByRole('button', { name: 'Pair the camera' }).click();
    await seen(page, dialog.getByRole('alert'));
    await dialog.getByLabel('Activation code').fill(code);
    await keep(page, 'add-pair');
    await dialog.getByRole('button', { name: 'Pair the camera' }).click();
    await seen(page, dialog.getByText('Porch is paired'));
    await dialog.locator('[data-testid=tile][data-state=live]').waitFor();
    await until('a picture', () => onScreen(dialog.locator('video')));
    await keep(page, 'add-paired');
    await dialog.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('button', { name: 'Paired: what this means' }).waitFor();
    await page.getByText('Both prove who they are on every connection. Nothing is left to do.').waitFor();
    await page.getByText('renewed by itself').waitFor();
    await page.getByText('Online').waitFor();
    await keep(page, 'cameras');
    await accessible(page, 'cameras');
  });

  await t.test('is isolated when it does not prove to be the one that was paired', async () => {
    await camera.stop();
    execFileSync(binary, ['camera', '--data', dir, '--reset'], { stdio: ['ignore', 'pipe', 'pipe'] });
    film((await start(), camera.said), seenByPhone);
    await page.getByText(/^Identity in doubt since/).first().waitFor();
    await page.getByText('Nothing was sent to it').first().waitFor();
    await page.getByText('Isolated until you decide').waitFor();
    const languages = {
      de: [/^Identität zweifelhaft seit/, 'Entscheiden', /bis du entscheidest: Sie bekommt kein Passwort/, 'Neu koppeln'],
      fr: [/^Identité douteuse depuis/, 'Décider', /jusqu’à votre décision : aucun mot de passe/, 'Appairer à nouveau'],
      es: [/^Identidad en duda desde/, 'Decidir', /hasta que decidas: no recibe ninguna contraseña/, 'Emparejar de nuevo'],
      en: [/^Identity in doubt since/, 'Decide', /until you decide: no password goes to it/, 'Pair again'],
    };
    for (const [language, [what, decide, means, choice]] of Object.entries(languages)) {
      await page.evaluate((language) => localStorage.setItem('cardea.language', language), language);
      await page.reload();
      await page.getByText(what).first().waitFor();
      await page.getByRole('main').getByRole('button', { name: decide, exact: true }).click();
      await dialog.getByText(means).waitFor();
      await dialog.getByRole('button', { name: choice }).waitFor();
      await page.keyboard.press('Escape');
    }
    await keep(page, 'isolated');
    await accessible(page, 'isolated');
    await page.getByRole('link', { name: 'Live', exact: true }).click();
    const tile = page.getByTestId('tile');
    await tile.getByText(/^Identity in doubt since/).waitFor();
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 390, height: 844 });
    await keep(page, 'isolated-live');
    await tile.getByRole('button', { name: 'Decide' }).click();
    assert.equal(await dialog.getByRole('button', { name: 'Trust the new key' }).count(), 0, 'a paired camera is not trusted by a key');
    await keep(page, 'isolated-decide');
    await accessible(page, 'decide');
  });

  await t.test('is tried again, and isolated again', async () => {
    const since = () => page.evaluate(async () => (await (await fetch('/api/cameras')).json())[0].isolation?.since);
    const before = await since();
    await dialog.getByRole('button', { name: 'Try again' }).click();
    await seen(page, page.getByText('Porch is tried again.'));
    await until('the doubt again', async () => ((await since()) ?? before) > before);
    await page.getByTestId('tile').getByRole('button', { name: 'Decide' }).click();
    await dialog.getByRole('button', { name: 'Pair again' }).waitFor();
  });

  await t.test('is paired again by its QR code', async () => {
    await dialog.getByRole('button', { name: 'Pair again' }).click();
    await dialog.getByRole('button', { name: 'Scan its QR code' }).click();
    assert.equal(await page.evaluate(() => window.hasDetector), false, 'Chromium reads codes itself here now: nothing has to be put in any more');
    await dialog.getByText('The QR code was read').waitFor();
    await dialog.getByText(`It is of the camera at ${listen}`).waitFor();
    assert.equal(await page.evaluate(() => window.readFrom), `${seenByPhone} 640 × 480`, 'from the frames of the browser’s own camera');
    await keep(page, 'scanned');
    await dialog.getByRole('button', { name: 'Pair again' }).click();
    await seen(page, page.getByText('Porch is paired again.'));
    await page.locator('[data-testid=tile][data-state=live]').waitFor();
    await keep(page, 'paired-again');
  });

  await t.test('is revoked', async () => {
    await page.goto(`${origin}/cameras`);
    await page.getByRole('button', { name: 'Revoke the certificate of Porch' }).click();
    await keep(page, 'revoke');
    await dialog.getByRole('button', { name: 'Revoke its certificate' }).click();
    await seen(page, page.getByText(/^Revoked, not connected since/));
    await keep(page, 'revoked');
  });

  assert.deepEqual(page.complaints, []);
});

test('a pinned camera', async (t) => {
  const cameras = new Program('demo', '--data', scratch(t, 'cameras'), '--listen', '127.0.0.1:0');
  t.after(() => cameras.stop());
  const plain = new URL(await cameras.says(/url=(rtsp:\/\/\S+front-door)/));
  const keys = scratch(t, 'keys');

  /** A camera at the port with a key of its own; gives how to end it. */
  async function encrypt(name, port = 0) {
    const [key, cert] = ['key', 'crt'].map((kind) => join(keys, `${name}.${kind}`));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=camera', '-days', '2', '-keyout', key, '-out', cert], { stdio: 'ignore' });
    const open = new Set();
    const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (outside) => {
      const inside = connect(plain.port, plain.hostname);
      for (const [one, other] of [[outside, inside], [inside, outside]]) {
        open.add(one);
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
        one.pipe(other);
      }
    });
    await new Promise((listening) => server.listen(port, '127.0.0.1', listening));
    const end = () => {
      for (const one of open) one.destroy();
      return new Promise((closed) => server.close(closed));
    };
    t.after(end);
    return { port: server.address().port, end };
  }

  const first = await encrypt('first');
  const { page, enter } = await open(t);
  await enter();
  const dialog = page.getByRole('dialog');

  let print;
  await t.test('is added when its fingerprint was confirmed', async () => {
    // What stands on this machine's loopback is never found, so the answer is played; everything after it is real.
    const address = `rtsps://127.0.0.1:${first.port}${plain.pathname}`;
    const device = { model: '', addresses: [], url: null, urls: [], onvif: null, pair: null, device: null, paired: false, via: ['mdns'], trust: 'plain', doubt: null, first_seen: '2026-01-01T00:00:00Z', last_seen: '2026-01-01T00:00:00Z' };
    const found = [
      { ...device, id: 'a', name: 'Porch', model: 'Cardea', address: '192.168.1.20:8322', pair: '192.168.1.20:8322', trust: 'paired' },
      { ...device, id: 'b', name: 'Yard', address: '192.168.1.21', url: address, urls: [address], trust: 'pinned' },
      { ...device, id: 'c', name: '', model: 'IPC-1', address: '192.168.1.22', doubt: 'It answers at an address that it does not name.' },
    ];
    await page.route('**/api/discovery', (route) => route.fulfill({ json: found }));
    await page.getByRole('button', { name: 'Add camera' }).click();
    await dialog.getByRole('button', { name: 'Porch' }).click();
    assert.equal(await dialog.getByLabel('Its address').inputValue(), '192.168.1.20:8322');
    await dialog.getByRole('button', { name: 'Back' }).click();
    await dialog.getByRole('button', { name: 'IPC-1' }).waitFor();
    await keep(page, 'add-found');
    await accessible(page, 'found');
    await dialog.getByRole('button', { name: 'Yard' }).click();
    assert.equal(await dialog.getByLabel('Address of the camera').inputValue(), address);
    await dialog.getByRole('button', { name: 'Test the camera' }).click();
    print = await dialog.getByTestId('fingerprint').innerText();
    await keep(page, 'add-fingerprint');
    await dialog.getByLabel('I trust this fingerprint').check();
    await dialog.getByRole('button', { name: 'Show its picture' }).click();
    await dialog.getByTestId('test-picture').waitFor();
    await dialog.getByLabel('Name').fill('Yard');
    await dialog.getByRole('button', { name: 'Add this camera' }).click();
    await page.getByText('Online').waitFor();
    await page.getByText('with the key that you confirmed. Better still: pair it.').waitFor();
    await page.getByRole('button', { name: 'Pinned: what this means' }).click();
    await dialog.getByText('If it changes, no password is sent').waitFor();
    await dialog.getByText('Next better step:').waitFor();
    await page.keyboard.press('Escape');
  });

  await t.test('is isolated when its key changes, until a person trusts the new one', async () => {
    await first.end();
    await encrypt('second', first.port);
    await page.getByText(/^Identity in doubt since/).first().waitFor();
    await page.getByRole('button', { name: 'Decide' }).click();
    await dialog.getByRole('button', { name: 'Trust the new key' }).click();
    const trust = dialog.getByRole('button', { name: 'Trust the new key' });
    assert.ok(await trust.isDisabled(), 'nothing is trusted before it was compared');
    assert.notEqual(await dialog.getByTestId('fingerprint').first().innerText(), print);
    assert.equal(await dialog.getByTestId('fingerprint').last().innerText(), print);
    await keep(page, 'new-key');
    await accessible(page, 'new key');
    await dialog.getByLabel('I have compared it').check();
    await trust.click();
    await seen(page, page.getByText('The new key of Yard is trusted.'));
    await page.getByText('Online').waitFor();
  });

  assert.deepEqual(page.complaints, []);
});

test('a camera that shows itself to everybody is seen in the list', async (t) => {
  const cameras = new Program('demo', '--data', scratch(t, 'cameras'), '--listen', '127.0.0.1:0');
  t.after(() => cameras.stop());
  const url = await cameras.says(/url=(rtsp:\/\/\S+front-door)\s/);
  const { page, enter } = await open(t);
  // The answer of the discovery is a fake: what is found on the loopback is refused, and rightly. The cameras and their pictures are real.
  const now = new Date().toISOString();
  const found = (id, more) => ({ id, name: id, model: '', address: '127.0.0.1', addresses: ['127.0.0.1'], url: null, urls: [], onvif: null, pair: null, device: null, paired: false, via: ['mdns'], trust: 'plain', doubt: null, first_seen: now, last_seen: now, ...more });
  await page.route('**/api/discovery', (route) => route.fulfill({ json: [found('Open', { url, urls: [url] }), found('Shut', { url: 'rtsp://127.0.0.1:1/', urls: ['rtsp://127.0.0.1:1/'] }), found('Keyed', { url: 'rtsps://127.0.0.1:2/', urls: ['rtsps://127.0.0.1:2/'], trust: 'pinned' })] }));
  const asked = [];
  page.on('request', (request) => request.url().endsWith('/api/probe') && asked.push(request.postDataJSON().url));
  await enter();
  await page.getByRole('button', { name: 'Add camera' }).click();
  const glimpse = (name) => page.getByRole('listitem').filter({ hasText: name }).getByTestId('glimpse');
  await until('a picture beside the name', () => glimpse('Open').locator('video').evaluate((v) => v.readyState >= 2 && v.videoWidth > 0).catch(() => false));
  await glimpse('Shut').getByText('Shows its picture after its password').waitFor();
  await keep(page, 'add-glimpse');
  assert.deepEqual(asked, [url, 'rtsp://127.0.0.1:1/'], 'one after the other, once, and nothing that has a key to compare');
  assert.deepEqual(page.complaints.filter((c) => !/status of 4|status of 5/.test(c)), []);
});

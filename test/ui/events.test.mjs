// Events: a camera goes away and comes back while somebody looks; it is seen, kept, noted and found again, and the pages of
// storage, health and safety say what is so.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { accessible } from './axe.mjs';
import { binary, browse, fetchUnchecked, files, keep, Program, scratch, setUp, signIn, until } from './box.mjs';

const password = 'seven quiet lanterns 42';
const passphrase = 'lusab-babad-gutih-tugad-mudof';
const words = 'Only the postman, 14:05';

/** The cable of a camera, which can be pulled out. */
class Cable {
  constructor(to) {
    this.to = new URL(to);
    this.ends = new Set();
  }

  async plugIn() {
    this.server = createServer((here) => {
      const there = connect(Number(this.to.port), this.to.hostname);
      for (const [a, b] of [[here, there], [there, here]]) {
        this.ends.add(a);
        a.pipe(b);
        a.on('error', () => b.destroy());
        a.on('close', () => (b.destroy(), this.ends.delete(a)));
      }
    });
    await new Promise((resolve) => this.server.listen(this.port ?? 0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return `rtsp://127.0.0.1:${this.port}${this.to.pathname}`;
  }

  pullOut() {
    this.server.close();
    for (const end of this.ends) end.destroy();
  }
}

/** Pictures at three widths, in light and dark, for people to look at. */
async function pictures(page, name) {
  if (!process.env.CARDEA_PICTURES) return;
  for (const [device, width, height] of [['phone', 390, 844], ['tablet', 820, 1180], ['desk', 1280, 800]]) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(250);
      await keep(page, `${name}-${device}-${colorScheme}`);
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 800 });
}

test('events', async (t) => {
  const cameras = new Program('demo', '--data', scratch(t, 'cameras'), '--listen', '127.0.0.1:0');
  t.after(() => cameras.stop());
  const cable = new Cable(await cameras.says(/url=(rtsp:\/\/\S+front-door)/));
  const address = await cable.plugIn();
  t.after(() => cable.pullOut());
  const dir = scratch(t, 'nvr');
  const owner = setUp(dir, password, passphrase);
  const box = new Program('serve', '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  const origin = await box.says(/Address:\s+(https:\S+)/);
  const certificate = await until('an answer', () => fetchUnchecked(`${origin}/ca.pem`).catch(() => undefined));
  await promisify(execFile)(binary, ['cameras', 'add', '--name', 'Porch', address, '--data', dir]); // the cable runs in this process

  const page = await browse(t, { certificate, viewport: { width: 1280, height: 800 } });
  await page.goto(`${origin}/events`);
  await signIn(page, password, owner.secret);
  const screens = page.getByRole('navigation', { name: 'Screens' });
  const event = (text) => page.getByTestId('event').filter({ has: page.getByTestId('sentence').filter({ hasText: text }) });
  const away = event(/^Porch was away for|^Porch is away$/).first();

  await t.test('a camera that goes away is told at once, and so is its return', async () => {
    await page.getByText('Live', { exact: true }).last().waitFor();
    await until('a recording', async () => (await page.evaluate(() => fetch('/api/clips').then((r) => r.json()))).some((c) => Date.parse(c.end) - Date.parse(c.start) > 4000));
    cable.pullOut();
    await event('Porch is away').waitFor();
    await event('Porch is away').getByText('It did not answer.').waitFor();
    await pictures(page, 'events-away');
    await page.goto(`${origin}/health`);
    await page.locator('[data-testid=camera-health][data-phase=waiting]').waitFor();
    await page.getByText('1 camera is away').waitFor();
    await page.goBack();
    await event('Porch is away').waitFor();
    await cable.plugIn();
    await event('Porch is back').waitFor();
    await event(/^Porch was away for/).waitFor();
  });

  await t.test('pictures are sealed until the vault is opened', async () => {
    await away.locator('[data-testid=thumb][data-state=locked]').waitFor();
    await page.getByText('The pictures are sealed').waitFor();
    await accessible(page, 'the locked feed', { every: true });
    await page.getByRole('button', { name: 'Unlock', exact: true }).click();
    await page.getByRole('dialog').getByLabel('Vault passphrase', { exact: true }).fill(passphrase);
    await page.getByRole('dialog').getByRole('button', { name: 'Unlock', exact: true }).click();
    // What the camera saw last.
    await away.locator('[data-testid=thumb][data-state=drawn]').waitFor();
    const lit = await away.locator('canvas').evaluate((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 < 3 && v > 40));
    assert.ok(lit, 'the picture is black');
  });

  await t.test('it is seen, and seen again when that is undone; by keyboard too', async () => {
    const fresh = page.locator('article.fresh');
    const before = await fresh.count();
    assert.ok(before >= 2);
    await page.getByRole('button', { name: `Mark ${before} as seen` }).click();
    await page.getByText('are marked as seen.').waitFor();
    assert.equal(await fresh.count(), 0);
    await page.getByRole('button', { name: 'Undo' }).click();
    await until('undone', async () => (await fresh.count()) === before);
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('r');
    await page.getByText('Seen by Ada').waitFor();
    assert.equal(await fresh.count(), before - 1);
    await page.keyboard.press('k');
    assert.equal(await page.evaluate(() => [...document.querySelectorAll('[data-row]')].indexOf(document.activeElement)), 0);
  });

  await t.test('it is kept with the recordings around it', async () => {
    await away.getByRole('button', { name: 'Keep for ever' }).click();
    await away.getByText('Kept for ever').waitFor();
    await page.getByText('Kept', { exact: true }).click();
    await until('the filter', async () => (await page.getByTestId('event').count()) === 1);
    const storage = await page.evaluate(() => fetch('/api/storage').then((r) => r.json()));
    assert.ok(storage.kept > 0 && storage.kept <= storage.used, `kept ${storage.kept} of ${storage.used}`);
    await page.getByRole('button', { name: 'Show everything' }).click();
    await page.getByLabel('What').selectOption('Storage');
    await page.getByText('Nothing matches').waitFor();
    await page.getByRole('button', { name: 'Show everything' }).first().click();
  });

  await t.test('a note is sealed before it leaves the browser', async () => {
    const sent = page.waitForRequest((r) => r.method() === 'PATCH' && r.postData()?.includes('note'));
    await away.getByRole('button', { name: 'Write a note' }).click();
    await page.getByLabel('Your note').fill(words);
    await page.getByRole('button', { name: 'Seal and save' }).click();
    const body = (await sent).postDataJSON();
    assert.ok(Buffer.from(body.note.sealed, 'base64').toString('latin1').startsWith('age-encryption.org/v1\n'));
    await away.getByTestId('note').filter({ hasText: words }).waitFor();
    for (const [path, bytes] of files(dir)) assert.ok(!bytes.includes('the postman'), `${path} holds the note in the clear`);
    await accessible(page, 'the feed', { every: true });
    await pictures(page, 'events');
    await page.getByRole('button', { name: 'Vault open' }).click();
    await away.getByText('A sealed note.').waitFor();
    assert.equal(await page.getByText(words).count(), 0);
  });

  await t.test('a click shows the moment on the timeline', async () => {
    const link = away.getByTestId('sentence');
    assert.match(await link.getAttribute('href'), /^\/timeline\?camera=[0-9A-Z]{26}&at=\d{4}-/);
    await link.click();
    await page.getByRole('heading', { name: 'Timeline' }).waitFor();
  });

  await t.test('storage says how long it lasts, and how the disk is', async () => {
    await screens.getByRole('link', { name: 'Storage' }).click();
    await page.getByTestId('days').waitFor();
    await page.getByTestId('camera-storage').filter({ hasText: 'Porch' }).waitFor();
    await page.getByTestId('disk-state').waitFor();
    await accessible(page, 'storage', { every: true });
    await pictures(page, 'storage');
    await page.getByRole('link', { name: 'Change the rules' }).click();
    await until('the field of the rule', () => page.evaluate(() => document.activeElement?.id === 'days'));
  });

  await t.test('health says that all is well, and what was not', async () => {
    await screens.getByRole('link', { name: 'Health' }).click();
    await page.locator('[data-testid=camera-health][data-phase=streaming]').waitFor();
    await page.getByRole('img', { name: /In the last 24 hours it was there for \d+ %/ }).waitFor();
    await page.locator('[data-layer=tls13][data-active=true]').waitFor();
    await page.locator('[data-layer=sealed][data-active=true]').waitFor();
    await accessible(page, 'health', { every: true });
    await pictures(page, 'health');
  });

  await t.test('safety says what to do, and does it', async () => {
    const check = (id, state) => page.locator(`[data-check="${id}"][data-state="${state}"]`);
    await screens.getByRole('link', { name: 'Is my home safe?' }).click();
    await check('plain', 'bad').filter({ hasText: 'Pictures of Porch' }).waitFor();
    await check('owners', 'advise').waitFor();
    await check('certificate', 'good').waitFor();
    await accessible(page, 'safety', { every: true });
    await pictures(page, 'safety');
    // Put right with one click.
    const id = await page.evaluate(() => fetch('/api/cameras').then((r) => r.json()).then((all) => all[0].id));
    await page.evaluate((id) => fetch(`/api/cameras/${id}`, { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: '{"mode":"off"}' }), id);
    await page.getByRole('button', { name: 'Look again' }).click();
    await check('switched-off', 'advise').getByRole('button', { name: 'Record again' }).click();
    await check('switched-off', 'good').waitFor();
  });

  await t.test('a phone has five places, and the rest under More', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    assert.deepEqual((await screens.getByRole('link').locator('visible=true').allInnerTexts()).map((s) => s.trim()), ['Live', 'Timeline', 'Events', 'Cameras', 'More']);
    await screens.getByRole('link', { name: 'More' }).click();
    await page.getByRole('heading', { name: 'More' }).waitFor();
    await accessible(page, 'More', { every: true });
    await pictures(page, 'more');
    await page.setViewportSize({ width: 390, height: 844 });
    await page.getByRole('listitem').getByRole('link', { name: 'Health' }).click();
    await page.getByTestId('camera-health').waitFor();
    await screens.getByRole('link', { name: 'Events' }).click();
    await away.waitFor();
    await accessible(page, 'the feed on a phone', { every: true });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the phone');
    assert.deepEqual(page.complaints, []);
  });
});

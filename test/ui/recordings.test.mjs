// Recordings that are not whole: one that is being written, one that a power cut tore, and the gap behind it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { binary, browse, fetchUnchecked, keep, Program, recordings, scratch, setUp, signIn, until } from './box.mjs';
import { onScreen } from './picture.mjs';

const password = 'seven quiet lanterns 42';
const passphrase = 'lusab-babad-gutih-tugad-mudof';

test('open and torn clips play, and a gap says why', async (t) => {
  const cameras = new Program('demo', '--data', scratch(t, 'cameras'), '--listen', '127.0.0.1:0');
  t.after(() => cameras.stop());
  const camera = await cameras.says(/url=(rtsp:\/\/\S+front-door)/);
  const dir = scratch(t, 'nvr');
  const owner = setUp(dir, password, passphrase);
  const listen = `127.0.0.1:${20_000 + (process.pid % 20_000)}`;
  let box = new Program('serve', '--data', dir, '--listen', listen);
  t.after(() => box.stop());
  const origin = await box.says(/Address:\s+(https:\S+)/);
  const healthy = () => until('the box', () => fetchUnchecked(`${origin}/healthz`).then(String).catch(() => ''));
  await healthy();
  const run = (...args) => execFileSync(binary, [...args, '--data', dir], { stdio: ['ignore', 'pipe', 'pipe'] });
  const clips = () => JSON.parse(run('clips', 'list', '--json'));
  run('cameras', 'add', '--name', 'Porch', camera);

  const page = await browse(t, { certificate: await fetchUnchecked(`${origin}/ca.pem`) });
  await page.goto(`${origin}/timeline`);
  await signIn(page, password, owner.secret);
  await page.getByRole('button', { name: 'Vault locked' }).click();
  await page.getByLabel('Vault passphrase', { exact: true }).fill(passphrase);
  await page.getByRole('button', { name: 'Unlock', exact: true }).click();
  await page.getByRole('button', { name: 'Vault open' }).waitFor();
  const lane = page.getByTestId('lane').first();
  const video = page.getByTestId('playback');
  const position = async () => Number(await page.getByTestId('position').getAttribute('data-wall'));

  const click = async (wall) => {
    await page.getByRole('button', { name: '10 min' }).click();
    // Lanes follow what plays; a click on lanes that are about to jump meets another moment.
    let before;
    await until('lanes that stand', async () => {
      const begin = await lane.evaluate((l) => Number(l.dataset.from));
      const stands = Math.abs(begin - before) < 1000;
      before = begin;
      return stands;
    });
    const [from, to, width] = await lane.evaluate((l) => [Number(l.dataset.from), Number(l.dataset.to), l.clientWidth]);
    await lane.click({ position: { x: (width * (wall - from)) / (to - from), y: 17 } });
    const slack = (to - from) / width + 1500;
    const picture = await until(`a picture of ${wall}`, async () => {
      const seen = (await video.evaluate((v) => v.readyState >= 2 && v.currentTime > 0)) ? await onScreen(video) : undefined;
      return seen && seen.wall > wall - slack && seen.wall < wall + slack + 10_000 ? seen : undefined; // at first the one from before
    });
    return picture;
  };

  await t.test('a clip that is being written', async () => {
    const open = await until('15 seconds in an open clip', () => clips().find((c) => c.open && Date.parse(c.end) - Date.parse(c.start) > 15_000), 90);
    await recordings(lane);
    const begun = await click(Date.parse(open.start) + 8000);
    // It goes on into what was not yet written when it was opened.
    await until('what came later', async () => (await position()) > begun.wall + 12_000 && (await onScreen(video))?.number > begun.number + 200, 90);
  });

  let torn;
  await t.test('a clip that was cut off', async () => {
    await until('20 seconds in an open clip', () => clips().find((c) => c.open && Date.parse(c.end) - Date.parse(c.start) > 20_000), 150);
    box.process.kill('SIGKILL');
    await box.exited;
    await new Promise((r) => setTimeout(r, 4000));
    box = new Program('serve', '--data', dir, '--listen', listen);
    await healthy();
    torn = await until('a torn clip', () => clips().find((c) => c.torn));
    await until('a later recording', () => clips().find((c) => c.start > torn.end && c.end > c.start), 90);
    await recordings(lane, 2);
    await click(Date.parse(torn.end) - 10_000);
    await page.getByText('Cut off').waitFor();
  });

  await t.test('the gap behind it is jumped, and told with its reason', async () => {
    await until('the recording after the gap', async () => (await position()) > Date.parse(torn.end) + 3000, 60);
    await page.getByText(/Skipped \d+ s without recordings/).waitFor();
    await until('a picture of after the gap', async () => (await onScreen(video))?.wall > Date.parse(torn.end) + 1000);
    await page.getByTestId('day-list').getByText(/restarted/).first().waitFor();
    await keep(page, 'gap');
    await lane.focus();
    await page.keyboard.press('PageDown');
    await until('the keyboard moves it', async () => (await position()) < Date.parse(torn.end), 30);
  });

  await t.test('attack 74, a clip that was changed is refused by the player', async () => {
    const file = join(dir, torn.path);
    const data = readFileSync(file);
    for (let at = 70_000; at < data.length; at += 65_552) data[at] ^= 1; // one bit of each chunk but the first
    writeFileSync(file, data);
    await page.reload();
    await page.getByRole('button', { name: 'Vault locked' }).click();
    await page.getByLabel('Vault passphrase', { exact: true }).fill(passphrase);
    await page.getByRole('button', { name: 'Unlock', exact: true }).click();
    await page.getByRole('button', { name: 'Vault open' }).waitFor();
    await page.getByRole('button', { name: '10 min' }).click();
    const [from, to, width] = await lane.evaluate((l) => [Number(l.dataset.from), Number(l.dataset.to), l.clientWidth]);
    const middle = (Date.parse(torn.start) + Date.parse(torn.end)) / 2;
    await lane.click({ position: { x: (width * (middle - from)) / (to - from), y: 17 } });
    await page.getByText('changed after it was written').first().waitFor();
  });

  assert.deepEqual(page.complaints.filter((c) => !/WebSocket|ERR_CONNECTION|Failed to load/.test(c)), []);
});

// A link to a recording: it plays for somebody without an account, the key behind its # never travels, and it can be
// taken back.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { binary, browse, fetchUnchecked, files, keep, Program, recordings, scratch, setUp, signIn, until } from './box.mjs';
import { onScreen } from './picture.mjs';

const password = 'seven quiet lanterns 42';
const passphrase = 'lusab-babad-gutih-tugad-mudof';

test('a link to a recording', async (t) => {
  const cameras = new Program('demo', '--data', scratch(t, 'cameras'), '--listen', '127.0.0.1:0');
  t.after(() => cameras.stop());
  const camera = await cameras.says(/url=(rtsp:\/\/\S+front-door)/);
  const dir = scratch(t, 'nvr');
  const owner = setUp(dir, password, passphrase);
  const box = new Program('serve', '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  const origin = await box.says(/Address:\s+(https:\S+)/);
  await until('the box', () => fetchUnchecked(`${origin}/healthz`).then(String).catch(() => ''));
  const run = (...args) => execFileSync(binary, [...args, '--data', dir], { stdio: ['ignore', 'pipe', 'pipe'] });
  run('cameras', 'add', '--name', 'Porch', camera);
  const certificate = await fetchUnchecked(`${origin}/ca.pem`);

  const page = await browse(t, { certificate });
  await page.goto(`${origin}/timeline`);
  await signIn(page, password, owner.secret);
  await page.getByRole('button', { name: 'Vault locked' }).click();
  await page.getByLabel('Vault passphrase', { exact: true }).fill(passphrase);
  await page.getByRole('button', { name: 'Unlock', exact: true }).click();
  await page.getByRole('button', { name: 'Vault open' }).waitFor();
  const clip = await until('a closed clip', () => JSON.parse(run('clips', 'list', '--json')).find((c) => !c.open && c.sha256), 150);

  let link;
  await t.test('is made on the timeline', async () => {
    const lane = page.getByTestId('lane').first();
    await recordings(lane);
    await page.getByRole('button', { name: '10 min' }).click();
    const [from, to, width] = await lane.evaluate((l) => [Number(l.dataset.from), Number(l.dataset.to), l.clientWidth]);
    const middle = (Date.parse(clip.start) + Date.parse(clip.end)) / 2;
    await lane.click({ position: { x: (width * (middle - from)) / (to - from), y: 17 } });
    await page.getByRole('button', { name: 'Share or export' }).click();
    // Twelve seconds in the middle of a clip of a minute.
    await page.getByLabel('From', { exact: true }).fill(field(middle - 6000));
    await page.getByLabel('To', { exact: true }).fill(field(middle + 6000));
    await page.getByLabel('Can be watched').selectOption('5');
    await page.getByLabel('Note').fill('Who took the parcel?');
    await keep(page, 'share');
    await page.getByRole('button', { name: 'Make the link' }).click();
    link = await page.getByTestId('link').innerText();
    assert.match(link, /\/s\/[0-9A-Z]{26}#[\w-]{43}$/);
  });

  const key = new URL(link).hash.slice(1);
  const guest = await browse(t, { certificate, viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
  const sent = [];
  guest.on('request', (request) => sent.push(request.url(), request.postData() ?? '', JSON.stringify(request.headers())));
  await t.test('plays for somebody without an account', async () => {
    await guest.goto(link);
    await guest.getByText('Who took the parcel?').waitFor();
    assert.equal(new URL(guest.url()).hash, '', 'the key stays in the address bar');
    await keep(guest, 'shared');
    await guest.getByRole('button', { name: 'Watch' }).click();
    const video = guest.getByTestId('shared');
    const seen = [];
    await until('moving pictures', async () => {
      const picture = await onScreen(video);
      if (picture && picture.number !== seen.at(-1)) seen.push(picture.number);
      return seen.length >= 3;
    });
    assert.ok(seen[0] < seen.at(-1), `it goes on in time: ${seen}`);
    // The span is kept: the link begins where it was said, to a key frame before, and ends on its own.
    const wall = (await onScreen(video)).wall;
    const middle = (Date.parse(clip.start) + Date.parse(clip.end)) / 2;
    assert.ok(wall > middle - 16_000 && wall < middle + 10_000, `shows ${new Date(wall).toISOString()}, the middle is ${new Date(middle).toISOString()}`);
    await guest.getByRole('button', { name: 'Watch again' }).waitFor();
    const last = await onScreen(video);
    assert.ok(last.wall < middle + 10_000, `ends at ${new Date(last.wall).toISOString()}`);
    const shown = await guest.getByText('Opened in your browser').count();
    assert.equal(shown, 1);
    await keep(guest, 'shared-playing');
  });

  await t.test('keeps its key to itself', () => {
    assert.ok(sent.some((text) => /\/api\/s\/\w+\/clips\//.test(text)), 'requests were seen');
    for (const text of sent) assert.ok(!text.includes(key), `the key went out: ${text.slice(0, 200)}`);
    for (const [name, bytes] of files(dir)) assert.ok(!bytes.includes(key), `${name} holds the key`);
  });

  await t.test('does nothing without its key, or with another', async () => {
    await guest.goto('about:blank');
    await guest.goto(link.split('#')[0]);
    await guest.getByText('The key is missing').waitFor();
    await guest.goto('about:blank');
    await guest.goto(`${link.split('#')[0]}#${'A'.repeat(43)}`);
    await guest.getByRole('button', { name: 'Watch' }).click();
    await guest.getByText('not the right one').waitFor();
  });

  await t.test('is taken back', async () => {
    await page.goto(`${origin}/links`);
    await page.getByText('watched 2 times of 5').waitFor();
    await page.getByText('Who watched, and from where').click();
    assert.equal(await page.getByText(/, from 127\.0\.0\.1$/).count(), 2, 'each use with its address');
    await keep(page, 'links');
    await page.getByRole('button', { name: 'Take it back' }).click();
    await page.getByText('It shows nothing from now on').waitFor();
    await page.getByRole('button', { name: 'Take it back' }).click();
    await page.getByText('Taken back', { exact: true }).waitFor();
    await guest.goto('about:blank');
    await guest.goto(link);
    await guest.getByText('This link shows nothing').waitFor();
    assert.equal(await guest.getByRole('button', { name: 'Watch' }).count(), 0);
  });

  await t.test('evidence is saved', async () => {
    await page.goto(`${origin}/timeline`);
    const lane = page.getByTestId('lane').first();
    await recordings(lane);
    await page.getByRole('button', { name: '10 min' }).click();
    const [from, to, width] = await lane.evaluate((l) => [Number(l.dataset.from), Number(l.dataset.to), l.clientWidth]);
    await lane.click({ position: { x: (width * (Date.parse(clip.start) + 5000 - from)) / (to - from), y: 17 } });
    await page.getByRole('button', { name: 'Share or export' }).click();
    await page.getByRole('button', { name: 'Export evidence instead' }).or(page.getByLabel('Evidence')).first().click();
    await page.getByLabel('From', { exact: true }).fill(field(Date.parse(clip.start) + 2000));
    await page.getByLabel('To', { exact: true }).fill(field(Date.parse(clip.end) - 2000));
    await page.getByRole('button', { name: 'Prepare the evidence' }).click();
    const ready = page.getByRole('link', { name: 'Save the evidence' });
    // On a slow machine the sign-in is old by now, and the act wants another proof.
    const proof = page.getByRole('dialog', { name: 'Please confirm that it is you' });
    await ready.or(proof).first().waitFor();
    if (await proof.count()) {
      await proof.getByLabel('Your sign-in password').fill(password);
      await proof.getByRole('button', { name: 'Confirm' }).click();
    }
    await ready.waitFor();
    const saved = page.waitForEvent('download');
    await ready.click();
    const file = await (await saved).path();
    assert.equal(readFileSync(file).subarray(0, 2).toString(), 'PK');
    execFileSync(binary, ['verify', '--bundle', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  });

  assert.deepEqual(page.complaints, []);
  assert.deepEqual(guest.complaints, []);
});

/** A moment as a field of the form takes it, in the time of the browser, which is that of the machine. */
function field(wall) {
  return new Date(wall - new Date(wall).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

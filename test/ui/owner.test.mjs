// The whole first day of an owner, in a real browser: claim, second factor, vault, kit, camera, live picture, and a
// recording that opens in this browser only.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { binary, browse, fetchUnchecked, files, keep, Program, recordings, scratch, totp, until } from './box.mjs';
import { marker, onScreen, pictures, samples } from './picture.mjs';

const password = 'seven quiet lanterns 42';

/** Waits until the picture is a later one, and a later one again. */
async function moves(video, what) {
  const seen = [];
  await until(`${what} moves`, async () => {
    const picture = await onScreen(video);
    if (picture && picture.number !== seen.at(-1)) seen.push(picture.number);
    return seen.length >= 3;
  });
  assert.ok(seen[0] < seen[1] && seen[1] < seen[2], `${what} goes on in time: ${seen}`);
}

test('from the claim to a sealed recording', async (t) => {
  const dir = scratch(t, 'nvr');
  // The virtual cameras of a demo stand beside the box under test.
  const cameras = new Program('demo', '--data', scratch(t, 'cameras'), '--listen', '127.0.0.1:0');
  t.after(() => cameras.stop());
  const box = new Program('serve', '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());

  const camera = await cameras.says(/url=(rtsp:\/\/\S+front-door)/);
  const claim = await box.says(/Claim:\s+(https:\S+)/);
  const origin = new URL(claim).origin;
  const authority = await box.says(/Authority:\s+SHA-256 ([0-9a-f]{64})/);

  // The certificate is taken over the network and compared with the console, as the page tells people to.
  const certificate = await fetchUnchecked(`${origin}/ca.pem`);
  const der = new X509Certificate(certificate).raw;
  assert.equal(createHash('sha256').update(der).digest('hex'), authority);

  const page = await browse(t, { certificate });
  // Keeps what the page gives to the player, and every body of a recording that comes over the network.
  await page.addInitScript(() => {
    window.appended = [];
    const append = SourceBuffer.prototype.appendBuffer;
    SourceBuffer.prototype.appendBuffer = function (data) {
      if (window.keepAppended) window.appended.push(new Uint8Array(data instanceof ArrayBuffer ? data : data.buffer).slice());
      return append.call(this, data);
    };
  });
  const visited = [];
  const said = [];
  page.on('request', (request) => visited.push(request.url()));
  page.on('console', (message) => said.push(message.text()));
  const bodies = [];
  page.on('response', (response) => {
    if (/\/api\/clips\/[^/]+\/data/.test(response.url())) bodies.push(response.body());
  });

  await t.test('claim', async () => {
    await page.goto(claim);
    await page.getByRole('button', { name: 'Begin' }).click();
    assert.equal(new URL(page.url()).hash, '', 'the token stays in the address bar');
    assert.equal(await page.getByText('does not know your box').count(), 0, 'the certificate is in the store, so it is trusted');
    await page.getByLabel('Name').fill('Ada');
    await page.getByLabel('Password', { exact: true }).fill('short');
    await page.getByLabel('Password again').fill('short');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('more characters').waitFor();
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByLabel('Password again').fill(password);
    await page.getByRole('button', { name: 'Continue' }).click();
  });

  let secret;
  await t.test('second factor and recovery codes', async () => {
    secret = await page.getByTestId('totp-secret').innerText();
    const code = totp(secret);
    await page.getByLabel('The code that').fill(code === '000000' ? '000001' : '000000');
    await page.getByRole('button', { name: 'Check the code' }).click();
    await page.getByText('That code is not right').waitFor();
    await page.getByLabel('The code that').fill(totp(secret));
    await page.getByRole('button', { name: 'Check the code' }).click();
    await page.getByText('If you lose your phone').waitFor();
    assert.equal(await page.locator('ol li').count(), 10);
    await page.getByLabel('I have kept').check();
    await page.getByRole('button', { name: 'Continue' }).click();
  });

  let passphrase;
  let identity;
  await t.test('vault and recovery kit', async () => {
    await page.getByLabel('Vault passphrase').fill(password);
    await page.getByRole('button', { name: 'Create the vault' }).click();
    await page.getByText('This is your sign-in password').waitFor();
    await page.getByRole('button', { name: 'Suggest' }).click();
    passphrase = await page.getByLabel('Vault passphrase').inputValue();
    await page.getByRole('button', { name: 'Create the vault' }).click();
    identity = (await page.getByTestId('identity').innerText()).replace(/\s/g, '');
    assert.match(identity, /^AGE-SECRET-KEY-PQ-1[0-9A-Z]{58}$/);
    await page.getByRole('button', { name: 'I have saved it' }).click();
    await page.getByLabel('The key on').fill('AGE-SECRET-KEY-PQ-1');
    await page.getByRole('button', { name: 'Test the kit' }).click();
    await page.getByText('There is no whole key').waitFor();
    await page.getByLabel('The key on').fill(identity.toLowerCase());
    await page.getByRole('button', { name: 'Test the kit' }).click();
    await page.getByText('The kit works').waitFor();
  });

  await t.test('a camera is seen before it is added', async () => {
    await page.getByLabel('Address of the camera').fill('rtsp://127.0.0.1:1/nothing');
    await page.getByRole('button', { name: 'Test the camera' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Address of the camera').fill(camera);
    await page.getByRole('button', { name: 'Test the camera' }).click();
    const picture = page.getByTestId('test-picture');
    await picture.waitFor();
    await until('a test picture', () => picture.evaluate((v) => v.readyState >= 2 && v.videoWidth > 0));
    await keep(page, 'add');
    await page.getByLabel('Name').fill('Porch');
    await page.getByRole('button', { name: 'Add this camera' }).click();
  });

  await t.test('the live picture moves', async () => {
    await page.waitForURL('**/live');
    await page.locator('[data-testid=tile][data-state=live]').waitFor();
    const video = page.locator('[data-testid=tile] video');
    await moves(video, 'the live picture');
    const age = Date.now() - (await onScreen(video)).wall;
    t.diagnostic(`the live picture is ${age} ms old`);
    assert.ok(age < 10_000, `the live picture is ${age} ms old`);
    assert.equal(await page.getByText('Not encrypted').count(), 1, 'a plain camera is called so');
    await keep(page, 'live');
  });

  let clip;
  await t.test('the timeline plays from where it is clicked', async () => {
    clip = await until(
      'a closed clip',
      () => JSON.parse(execFileSync(binary, ['clips', 'list', '--json', '--data', dir])).find((c) => !c.open && c.sha256),
      150,
    );
    await page.evaluate(() => (window.keepAppended = true));
    await page.getByRole('link', { name: 'Timeline', exact: true }).click();
    const lane = page.getByTestId('lane').first();
    await recordings(lane);
    await page.getByRole('button', { name: '10 min' }).click();

    // Click 40 % into the clip.
    const target = Date.parse(clip.start) + 0.4 * (Date.parse(clip.end) - Date.parse(clip.start));
    const [from, to] = await shown(page);
    const width = (await lane.boundingBox()).width;
    await page.evaluate(() => (window.appended = []));
    await lane.click({ position: { x: (width * (target - from)) / (to - from), y: 17 } });
    const video = page.getByTestId('playback');
    const clicked = Date.now();
    await until('a picture', () => video.evaluate((v) => v.readyState >= 2 && v.currentTime > 0 && !v.seeking));
    // It was asked for at once, but the question itself takes time on a busy machine, and it plays meanwhile.
    const picture = await onScreen(video);
    t.diagnostic(`the first picture was seen ${Date.now() - clicked} ms after the click`);

    // What the page opened begins with the key frame before the click.
    const parts = (await page.evaluate(() => window.appended.map((a) => Array.from(a.slice(0, 60_000))))).map((a) => Buffer.from(a));
    const first = parts.flatMap(pictures)[0];
    assert.ok(first, 'the page opened no picture');
    const pixel = (to - from) / width;
    assert.ok(first.wall <= target + pixel + 500 && first.wall > target - pixel - 4500, `clicked ${new Date(target).toISOString()}, opened ${new Date(first.wall).toISOString()}`);
    const position = Number(await page.getByTestId('position').getAttribute('data-wall'));
    // The clip begins when its first picture came in, the picture says when it was made.
    const slack = pixel + 2500;
    assert.ok(picture.wall > target - slack && picture.wall < target + slack + (Date.now() - clicked), `clicked ${target}, shows ${picture.wall}`);
    assert.ok(position >= target - pixel - 1000 && position < target + 30_000, `clicked ${target}, shows ${position}`);
    await moves(video, 'the recording');
    await keep(page, 'timeline');
  });

  await t.test('it plays on into the next clip', async () => {
    const video = page.getByTestId('playback');
    await page.getByLabel('Speed').selectOption('4');
    await until('the next clip', async () => Number(await page.getByTestId('position').getAttribute('data-wall')) > Date.parse(clip.end) + 500, 120);
    await moves(video, 'the next clip');
  });

  await t.test('locking takes the picture away, the passphrase brings it back', async () => {
    await page.getByRole('button', { name: 'Vault open' }).click();
    await page.getByText('The vault is locked').waitFor();
    assert.equal(await page.getByTestId('playback').evaluate((v) => v.readyState), 0);
    await page.getByLabel('Vault passphrase').fill('not the passphrase');
    await page.locator('form').getByRole('button', { name: 'Unlock' }).click();
    await page.getByText('does not open the vault').waitFor();
    await page.getByLabel('Vault passphrase').fill(passphrase);
    await page.locator('form').getByRole('button', { name: 'Unlock' }).click();
    await moves(page.getByTestId('playback'), 'the recording');
  });

  await t.test('attack 79, the identity is in no storage, address or log of the browser', async () => {
    const kept = await page.evaluate(async () => {
      const databases = [];
      for (const { name } of await indexedDB.databases()) {
        const database = await new Promise((resolve, reject) => {
          const open = indexedDB.open(name);
          open.onsuccess = () => resolve(open.result);
          open.onerror = () => reject(open.error);
        });
        for (const store of database.objectStoreNames) {
          const all = database.transaction(store).objectStore(store).getAll();
          await new Promise((resolve) => (all.onsuccess = resolve));
          databases.push(all.result.map((value) => JSON.stringify(value) ?? String(value)));
        }
        database.close();
      }
      const requests = performance.getEntriesByType('resource').map((entry) => entry.name);
      return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, databases, requests, location.href, document.cookie, history.state, document.title]);
    });
    const places = { 'a storage': kept, 'an address': visited.join('\n'), 'the console': said.join('\n') };
    assert.ok(visited.length > 20, 'addresses were seen');
    for (const [place, text] of Object.entries(places)) {
      for (const secret of [identity, identity.slice(-40), passphrase, password]) assert.ok(!text.toUpperCase().includes(secret.toUpperCase()), `${place} holds a secret of the owner`);
    }
    const policy = (await page.context().request.get(origin, { ignoreHTTPSErrors: true })).headers()['content-security-policy'];
    assert.match(policy, /connect-src 'self'/);
  });

  await t.test('neither the disk nor the network hold a plaintext picture', async () => {
    // First what plaintext looks like, so that a search that finds nothing means something.
    const key = join(scratch(t, 'kit'), 'kit.txt');
    writeFileSync(key, `${identity}\n`);
    const out = `${key}.mp4`;
    execFileSync(binary, ['clips', 'export', clip.id, '--identity', key, '-o', out, '--data', dir]);
    const plain = readFileSync(out);
    const wanted = samples(plain);
    assert.ok(pictures(plain).length > 100 && wanted.length > 100, 'the exported clip holds pictures');

    const network = await Promise.all(bodies);
    assert.ok(network.reduce((n, b) => n + b.length, 0) > plain.length / 4, 'recordings came over the network');
    const haystacks = [...files(dir), ...network.map((b, i) => [`answer ${i}`, b])];
    for (const [name, bytes] of haystacks) {
      assert.ok(!bytes.includes(marker), `${name} holds a plaintext picture`);
      for (const piece of wanted) assert.ok(!bytes.includes(piece), `${name} holds plaintext media`);
      for (const secret of [identity, passphrase]) assert.ok(!bytes.includes(secret), `${name} holds a secret of the owner`);
    }
  });

  await t.test('signing out and in again', async () => {
    await page.getByRole('button', { name: 'Sign out' }).first().click();
    await page.getByLabel('Name').fill('Ada');
    await page.getByLabel('Password', { exact: true }).fill(password);
    const used = totp(secret);
    await page.getByLabel('Code from').fill(used === '000000' ? '000001' : '000000');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Name, password or code is wrong').waitFor();
    await page.getByLabel('Code from').fill(totp(secret));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Vault locked' }).waitFor();
  });

  assert.deepEqual(page.complaints, [], 'the page ran without an error and within its policy');
});

/** The range of time that the lanes show, read from the slider and the zoom. */
async function shown(page) {
  const view = await page.getByTestId('lane').first().evaluate((lane) => [lane.dataset.from, lane.dataset.to]);
  return view.map(Number);
}

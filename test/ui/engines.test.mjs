// The first day of an owner in the other browsers: claim, sign-in, live picture, unlock, playback; each as far as the engine has the
// codecs. What was seen where stands in docs/browsers.md.
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { binary, fetchUnchecked, Program, scratch, totp, until } from './box.mjs';
import { Firefox, WebKit } from './engines.mjs';
import { onScreen } from './picture.mjs';

const password = 'seven quiet lanterns 42';

/** Waits until a video shows a later picture twice. */
async function moves(video, what, seconds) {
  const seen = [];
  await until(`${what} moves`, async () => {
    const picture = await onScreen(video);
    if (picture && picture.number !== seen.at(-1)) seen.push(picture.number);
    return seen.length >= 3;
  }, seconds);
}

for (const Engine of [Firefox, WebKit]) {
  test(`an owner's first day in ${Engine.name}`, async (t) => {
    const dir = scratch(t, 'nvr');
    const cameras = new Program('demo', '--data', scratch(t, 'cameras'), '--listen', '127.0.0.1:0');
    t.after(() => cameras.stop());
    const box = new Program('serve', '--data', dir, '--listen', '127.0.0.1:0');
    t.after(() => box.stop());
    const camera = await cameras.says(/url=(rtsp:\/\/\S+front-door)\s/);
    const claim = await box.says(/Claim:\s+(https:\S+)/);
    const origin = new URL(claim).origin;
    const page = await Engine.start(t, await fetchUnchecked(`${origin}/ca.pem`));
    t.diagnostic(page.version);

    let secret;
    let claimed;
    const step = () => Math.floor(Date.now() / 30_000);
    await t.test('claim', async () => {
      await page.open(claim);
      await page.click('button', 'Begin');
      await page.fill('Name', 'Ada');
      await page.fill('Password', password);
      await page.fill('Password again', password);
      await page.click('button', 'Continue');
      secret = await until('the secret', () => page.at('[data-testid=totp-secret]').evaluate((e) => e.innerText));
      await page.fill('The code that', totp(secret));
      claimed = step();
      await page.click('button', 'Check the code');
      await page.sees('If you lose your phone');
      await page.tap(await page.element('field', 'I have kept'));
      await page.click('button', 'Continue');
    });

    let passphrase;
    await t.test('vault and recovery kit', async () => {
      await page.click('button', 'Suggest');
      passphrase = await page.run('return [...document.querySelectorAll("input")].map((i) => i.value).find((v) => v.length > 12)');
      await page.click('button', 'Create the vault');
      const identity = (await until('the identity', () => page.at('[data-testid=identity]').evaluate((e) => e.innerText))).replace(/\s/g, '');
      await page.click('button', 'I have saved it');
      await page.fill('The key on', identity);
      await page.click('button', 'Test the kit');
      await page.sees('The kit works');
    });

    const video = page.at('[data-testid=tile] video');
    const plays = await page.run('return typeof MediaSource !== "undefined" && MediaSource.isTypeSupported("video/mp4; codecs=\\"avc1.42c01f\\"")');
    t.diagnostic(`H.264 in Media Source Extensions: ${plays}`);

    await t.test('live', async () => {
      await page.fill('Address of the camera', camera);
      await page.click('button', 'Test the camera');
      await page.fill('Name', 'Porch');
      await page.click('button', 'Add this camera');
      await until('the live page', () => page.run(() => location.pathname === '/live'));
      if (plays) await moves(video, 'the live picture');
      else await page.sees('This browser');
      await page.keep(`${Engine.name.toLowerCase()}-live`);
    });

    await t.test('sign-in', async () => {
      await page.click('button', 'Sign out');
      await page.fill('Name', 'Ada');
      await page.fill('Password', password);
      // The code of the claim counts once.
      await until('another code', () => step() > claimed, 40);
      await page.fill('Code from', totp(secret));
      await page.click('button', 'Sign in');
      await page.sees('Vault locked');
    });

    await t.test('unlock and play', async () => {
      const clip = await until('something recorded', () => JSON.parse(execFileSync(binary, ['clips', 'list', '--json', '--data', dir])).find((c) => c.bytes > 2_000_000));
      await page.click('link', 'Timeline');
      await page.click('button', 'Vault locked');
      await page.fill('Vault passphrase', passphrase);
      await page.click('button', 'Unlock');
      await page.sees('Vault open');
      // A link inside the app, as those of the events are.
      const at = new Date(Date.parse(clip.start) + 3000).toISOString();
      await page.run(`const link = document.createElement('a'); link.href = '/timeline?at=${at}'; document.body.append(link); link.click(); link.remove()`);
      if (plays) await moves(page.at('[data-testid=playback]'), 'the recording', 90);
      await page.keep(`${Engine.name.toLowerCase()}-timeline`);
    });
  });
}

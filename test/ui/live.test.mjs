// Live pictures: directly over WebRTC and over the one socket, what is said when they stop, and what can be done with them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { accessible } from './axe.mjs';
import { binary, browse, fetchUnchecked, keep, Program, scratch, setUp, signIn, until } from './box.mjs';
import { onScreen } from './picture.mjs';

const password = 'seven quiet lanterns 42';
const passphrase = 'lusab-babad-gutih-tugad-mudof';

/** A camera agent with its test picture. */
class Agent {
  constructor(t, name) {
    this.process = spawn(binary, ['camera', '--data', scratch(t, name), '--source', 'test:', '--name', name, '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.said = '';
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (text) => (this.said += text));
    this.exited = new Promise((resolve) => this.process.on('exit', resolve));
    t.after(async () => {
      this.process.kill('SIGCONT');
      this.process.kill('SIGTERM');
      await this.exited;
    });
  }

  async says(pattern) {
    return until(`the agent says ${pattern}`, () => pattern.exec(this.said)?.[1]);
  }
}

/** A box with an owner who is signed in, and the two virtual cameras of the demo. */
async function open(t, context = {}, command = 'demo') {
  const dir = scratch(t, 'live');
  const owner = setUp(dir, password, passphrase);
  const box = new Program(command, '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  const origin = await box.says(/Address:\s+(https:\S+)/);
  await until('an answer', () => fetchUnchecked(`${origin}/healthz`).catch(() => undefined));
  const page = await browse(t, { certificate: await fetchUnchecked(`${origin}/ca.pem`), ...context });
  await page.goto(origin);
  await signIn(page, password, owner.secret);
  return { owner, box, origin, page };
}

const tiles = (page, more = '') => page.locator(`[data-testid=tile]${more}`);

const large = (page) => page.locator('[data-testid=tile].single video');

/** The picture changes, and each one is newer than the one before. */
async function moves(video) {
  const first = await until('a picture', () => onScreen(video));
  const second = await until('a newer picture', async () => {
    const now = await onScreen(video);
    return now && now.number > first.number ? now : undefined;
  });
  assert.ok(second.wall > first.wall);
  return Date.now() - second.wall;
}

async function readable(page, name) {
  await accessible(page, name);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${name} is ${wide} px wider than the screen`);
}

test('pictures come directly, and over the socket where that way is closed', async (t) => {
  const { page } = await open(t);
  const began = Date.now();
  await until('two pictures over WebRTC', async () => (await tiles(page, '[data-state=live][data-by=webrtc]').count()) === 2);
  t.diagnostic(`both pictures ${Date.now() - began} ms after the sign-in`);
  await page.keyboard.press('1');
  await tiles(page, '[data-by=webrtc][data-quality=main]').waitFor();
  t.diagnostic(`over WebRTC the picture is ${await moves(large(page))} ms old`);
  await page.keyboard.press('0');

  // A network without UDP: the browser gets no answer to its checks.
  const other = await page.context().newPage();
  await other.addInitScript(() => {
    const set = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function (description) {
      return set.call(this, { ...description, sdp: description.sdp.replace(/(a=candidate:\S+ 1 udp \d+ \S+) \d+/g, '$1 9') });
    };
  });
  await other.goto(page.url());
  const from = Date.now();
  await until('two pictures over the socket', async () => (await tiles(other, '[data-state=live][data-by=socket]').count()) === 2);
  t.diagnostic(`over the socket ${Date.now() - from} ms after the page was there`);
  // That the way is closed is remembered: the next picture asks for the socket only.
  const asked = () => other.evaluate(() => performance.getEntriesByType('resource').filter((e) => e.name.includes('/whep')).length);
  const before = await until('both connections are asked for and given up', async () => ((n) => n === 4 && n)(await asked()));
  await other.getByRole('button', { name: /alone$/ }).first().click();
  await tiles(other, '[data-by=socket][data-quality=main]').waitFor();
  t.diagnostic(`over the socket the picture is ${await moves(large(other))} ms old`);
  assert.equal(await asked(), before);
  await other.close();

  // The other way round, an owner switches it off: what runs goes on over the socket.
  const status = await page.evaluate(async () => (await fetch('/api/settings', { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: '{"webrtc":false}' })).status);
  if (status === 200) await until('everything over the socket', async () => (await tiles(page, '[data-state=live][data-by=socket]').count()) === 2);
  else assert.equal(status, 403); // the sign-in is not fresh any more
  assert.deepEqual(page.complaints, []);
});

test('a camera that stops is said to have stopped', async (t) => {
  const agent = new Agent(t, 'lens');
  const address = await agent.says(/Address: (\S+)/);
  const code = await agent.says(/Activation code: (\d{4} \d{4})/);
  const { page } = await open(t, {}, 'serve');
  const added = await page.evaluate(async (pairing) => (await fetch('/api/pairings', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(pairing) })).status, { address, code });
  assert.equal(added, 201);
  for (const by of ['webrtc', 'socket']) {
    if (by === 'socket') {
      await page.addInitScript(() => delete globalThis.RTCPeerConnection);
      await page.reload();
    }
    const tile = tiles(page, `[data-by=${by}]`);
    await tiles(page, `[data-state=live][data-by=${by}]`).waitFor();
    // Watched from within the page: when the last picture came, and when it was said.
    await page.evaluate(() => {
      const tile = document.querySelector('[data-testid=tile]');
      const video = tile.querySelector('video');
      const seen = (globalThis.seen = { picture: 0, said: 0 });
      const next = () => {
        seen.picture = performance.now();
        video.requestVideoFrameCallback(next);
      };
      video.requestVideoFrameCallback(next);
      new MutationObserver(() => {
        if (tile.dataset.state === 'bad') seen.said ||= performance.now();
      }).observe(tile, { attributes: true });
    });
    await page.waitForTimeout(1000);
    agent.process.kill('SIGSTOP');
    await until('it is said', () => page.evaluate(() => globalThis.seen.said > 0));
    const took = await page.evaluate(() => globalThis.seen.said - globalThis.seen.picture);
    t.diagnostic(`${by}: said ${Math.round(took)} ms after the last picture`);
    await page.getByText(/No new picture for/).waitFor();
    await page.getByText(/What you see is from \d\d:\d\d:\d\d/).waitFor();
    assert.match(await tile.locator('.picture').evaluate((v) => getComputedStyle(v).filter), /brightness/);
    await keep(page, `live-frozen-${by}`);
    agent.process.kill('SIGCONT');
    await tiles(page, '[data-state=live]').waitFor();
  }
  // Whoever comes while it stands still is not shown a live picture either.
  agent.process.kill('SIGSTOP');
  await page.getByText(/No new picture for [3-9] s/).waitFor();
  await page.reload();
  await tiles(page).waitFor();
  const states = new Set();
  for (let i = 0; i < 40; i++) {
    states.add(await tiles(page).getAttribute('data-state'));
    await page.waitForTimeout(50);
  }
  assert.ok(!states.has('live'), `it was ${[...states]}`);
  agent.process.kill('SIGCONT');
});

test('one camera alone: quality, snapshot, keys, full screen', async (t) => {
  const { page } = await open(t, { acceptDownloads: true, permissions: ['microphone'], args: ['--use-fake-device-for-media-stream'] });
  await until('two live pictures', async () => (await tiles(page, '[data-state=live]').count()) === 2);
  await keep(page, 'live-wall');
  await page.keyboard.press('1');
  await page.waitForURL(/camera=/);
  const name = await page.getByRole('heading', { level: 1 }).innerText();
  await page.locator('.single[data-state=live][data-quality=main]').waitFor();
  const saved = page.waitForEvent('download');
  await page.keyboard.press('s');
  assert.match((await saved).suggestedFilename(), new RegExp(`^${name} \\d{4}-\\d\\d-\\d\\d \\d\\d\\.\\d\\d\\.\\d\\d\\.jpg$`));
  const first = page.url();
  await page.keyboard.press('ArrowRight');
  await until('the other camera', () => page.url() !== first);
  await readable(page, 'one camera');
  await keep(page, 'live-alone');
  // The virtual cameras have a loudspeaker.
  await page.getByRole('button', { name: /^Hold to talk/ }).first().waitFor();
  await page.keyboard.down('t');
  await page.getByText('You are heard').waitFor();
  await page.keyboard.up('t');
  await page.getByText('You are heard').waitFor({ state: 'hidden' });
  await page.keyboard.press('f');
  await until('the full screen', () => page.evaluate(() => document.fullscreenElement?.dataset.testid === 'tile'));
  await page.keyboard.press('f');
  await until('its end', () => page.evaluate(() => !document.fullscreenElement));
  await page.keyboard.press('0');
  await page.getByRole('heading', { name: 'Live', level: 1 }).waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await readable(page, 'keys');
  await page.keyboard.press('Escape');

  // Groups are the house's.
  await page.getByRole('button', { name: 'Edit groups' }).click();
  await page.getByRole('button', { name: 'New group' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Outside');
  await page.getByRole('dialog').getByRole('checkbox').first().check();
  await readable(page, 'groups');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('link', { name: 'Outside' }).click();
  await until('one camera', async () => (await tiles(page).count()) === 1);
  await page.reload();
  await page.getByRole('link', { name: 'Outside' }).waitFor();
  assert.equal(await tiles(page).count(), 1);
  assert.deepEqual(page.complaints, []);
});

test('a phone', async (t) => {
  const { page } = await open(t, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, colorScheme: 'dark', reducedMotion: 'reduce' });
  await until('two live pictures', async () => (await tiles(page, '[data-state=live]').count()) === 2);
  await readable(page, 'the wall');
  await keep(page, 'live-phone');
  await page.getByRole('button', { name: /alone$/ }).first().tap();
  await page.waitForURL(/camera=/);
  await tiles(page, '[data-state=live]').first().waitFor();
  await readable(page, 'one camera');
  await keep(page, 'live-phone-alone');
});

// What a person waits for, measured in a browser on this machine: the first picture after the click, the age of what is shown by each
// way, and a wall of 16 cameras. `make bench` prints it; nothing here fails for being slow.
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { browse, fetchUnchecked, keep, Program, setUp, signIn, until } from './box.mjs';
import { onScreen } from './picture.mjs';

const password = 'seven quiet lanterns 42';
const wall = 16;
const seconds = Number(process.env.SECONDS_OF_WALL ?? 30);

const part = (list, share) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))];
const median = (list) => part(list, 0.5);
/** What was measured here depends on what else the machine did. */
const load = () => `(load ${loadavg()[0].toFixed(1)})`;

/** How long from a click to the first new picture in the video of the large tile. */
async function firstPicture(page, by) {
  await page.evaluate(() => {
    globalThis.click = { at: 0, shown: 0 };
    addEventListener(
      'click',
      () => {
        globalThis.click.at = performance.now();
        const look = () => {
          const tile = document.querySelector('[data-testid=tile].single');
          if (tile?.dataset.state === 'live') globalThis.click.shown = performance.now();
          else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      },
      { once: true, capture: true },
    );
  });
  await page.getByRole('link', { name: 'Live', exact: true }).click();
  const took = await until('a picture', async () => {
    const { at, shown } = await page.evaluate(() => globalThis.click);
    return shown && shown - at;
  });
  await until(`it comes by ${by}`, () => page.locator(`[data-by=${by}]`).count());
  return took;
}

const ends = [];
const t = { after: (end) => ends.unshift(end) };
try {
  const dir = mkdtempSync(join(tmpdir(), 'cardea-live-bench-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const owner = setUp(dir, password, 'lusab-babad-gutih-tugad-mudof');
  const box = new Program('demo', '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  const origin = await box.says(/Address:\s+(https:\S+)/);
  await until('an answer', () => fetchUnchecked(`${origin}/healthz`).catch(() => undefined));
  const page = await browse(t, { certificate: await fetchUnchecked(`${origin}/ca.pem`) });
  await page.goto(origin);
  await signIn(page, password, owner.secret);
  await until('live pictures', async () => (await page.locator('[data-state=live]').count()) === 2);

  const call = (method, path, body) =>
    page.evaluate(async ({ method, path, body }) => (await fetch(path, { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) })).json(), { method, path, body });
  const cameras = await call('GET', '/api/cameras');

  for (const by of ['webrtc', 'socket']) {
    if (by === 'socket') {
      await page.addInitScript(() => delete globalThis.RTCPeerConnection);
      await page.reload();
    }
    const all = [];
    for (let i = 0; i < 20; i++) {
      await page.goto(`${origin}/cameras`);
      await page.getByRole('heading', { name: 'Cameras', level: 1 }).waitFor();
      // The link leads to one camera, as a bookmark does.
      await page.evaluate((id) => document.querySelector('nav a[href^="/live"]')?.setAttribute('href', `/live?camera=${id}`), cameras[0].id);
      all.push(await firstPicture(page, by));
    }
    const ages = [];
    for (let i = 0; i < 15; i++) {
      const shown = await onScreen(page.locator('.single video'));
      if (shown) ages.push(Date.now() - shown.wall);
      await page.waitForTimeout(100);
    }
    console.log(`live by ${by}: first picture p50 ${Math.round(median(all))} ms, p95 ${Math.round(part(all, 0.95))} ms after the click (${all.length} times, bar 500 ms); from lens to screen ${median(ages)} ms ${load()}`);
  }

  // The wall: the two virtual cameras, eight times each.
  for (let i = cameras.length; i < wall; i++) {
    const { url, sub } = cameras[i % cameras.length];
    const made = await call('POST', '/api/cameras', { name: `Camera ${i + 1}`, url });
    if (sub) await call('PATCH', `/api/cameras/${made.id}`, { sub_url: sub.url });
  }
  await page.goto(`${origin}/live`);
  await until('the whole wall', async () => (await page.locator('[data-state=live]').count()) === wall, 120);
  await page.evaluate(() => {
    globalThis.fell = 0;
    globalThis.pictures = new Map();
    for (const tile of document.querySelectorAll('[data-testid=tile]')) {
      new MutationObserver(() => {
        if (tile.dataset.state !== 'live') globalThis.fell++;
      }).observe(tile, { attributes: true, attributeFilter: ['data-state'] });
      const video = tile.querySelector('video');
      const next = () => {
        globalThis.pictures.set(tile, (globalThis.pictures.get(tile) ?? 0) + 1);
        video.requestVideoFrameCallback(next);
      };
      video.requestVideoFrameCallback(next);
    }
  });
  const total = () =>
    page.evaluate(() => {
      const all = [...document.querySelectorAll('[data-testid=tile] video')].map((v) => v.getVideoPlaybackQuality());
      return [all.reduce((n, q) => n + q.totalVideoFrames, 0), all.reduce((n, q) => n + q.droppedVideoFrames, 0)];
    });
  const before = await total();
  await page.waitForTimeout(seconds * 1000);
  const { fell, rates } = await page.evaluate((seconds) => ({ fell: globalThis.fell, rates: [...globalThis.pictures.values()].map((n) => n / seconds) }), seconds);
  const after = await total();
  const [decoded, dropped] = after.map((n, i) => n - before[i]);
  await keep(page, 'live-16');
  console.log(`wall of ${wall}: ${fell} times not live in ${seconds} s; ${median(rates).toFixed(1)} pictures a second each (slowest ${Math.min(...rates).toFixed(1)}); the browser dropped ${dropped} of ${decoded} pictures ${load()}`);
} finally {
  for (const end of ends) await end();
}

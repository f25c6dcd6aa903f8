// What the web app costs, measured in a browser on this machine: bytes of the first load, movement of each page while it comes, and
// seeks in eight cameras × 30 days of sealed recordings. `make bench` prints it; nothing here fails for being slow.
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { binary, browse, fetchUnchecked, keep, Program, setUp, signIn, until } from './box.mjs';
import { onScreen } from './picture.mjs';

const password = 'seven quiet lanterns 42';
const passphrase = 'lusab-babad-gutih-tugad-mudof';
const [cameras, days, each] = [8, 30, 6];
const minute = 60_000_000; // µs, as the index has it
const pages = ['live', 'timeline', 'events', 'cameras', 'safety', 'health', 'storage', 'people', 'log', 'vaults', 'links', 'settings', 'account'];

const rows = [];
function say(what, measured, bar = '') {
  rows.push({ what, measured, bar, load: loadavg()[0].toFixed(1) });
  console.log(`${what}: ${measured}`);
}
const part = (list, share) => Math.round([...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))]);

/** The text of a ULID, which names the file of a clip. */
function ulid(hex) {
  let n = BigInt(`0x${hex}`);
  let text = '';
  for (let i = 0; i < 26; i++, n >>= 5n) text = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[Number(n & 31n)] + text;
  return text;
}

/** The packed list of parts (store/parts) of a clip that begins at another time: only its first time is written in full. */
function moved(packed, by) {
  const varint = (at) => {
    let [n, shift] = [0n, 0n];
    for (;;) {
      const byte = BigInt(packed[at++]);
      n |= (byte & 127n) << shift;
      shift += 7n;
      if (byte < 128n) return [n, at];
    }
  };
  const [, first] = varint(1);
  const [zigzag, rest] = varint(first);
  let n = ((zigzag >> 1n) + BigInt(by)) << 1n; // a time after 1970
  const out = [];
  for (; n > 127n; n >>= 7n) out.push(Number(n & 127n) | 128);
  return Buffer.concat([packed.subarray(0, first), Buffer.from([...out, Number(n)]), packed.subarray(rest)]);
}

/**
 * Fills the index of a box that stands still: a clip for each minute of each camera. At random minutes, and in the one after it, the
 * file of a clip that this camera recorded lies where the index says, so that it is fetched and opened as any other. Gives those
 * minutes, in ms since 1970.
 */
function fill(dir) {
  const sql = (text) => execFileSync('sqlite3', ['-json', join(dir, 'cardea.db')], { input: text, maxBuffer: 1 << 28 }).toString();
  const ask = (text) => JSON.parse(sql(text) || '[]');
  const recorded = ask(`SELECT camera_no AS no, hex(c.id) AS camera, start, "end", hex(clip.id) AS id, hex(packed) AS packed FROM clip
    JOIN camera c ON c.no = camera_no JOIN clip_parts p ON p.no = parts_no WHERE state = 1 AND "end" - start > 20000000 GROUP BY camera_no`);
  const first = Math.floor(Math.min(...recorded.map((c) => c.start)) / minute) * minute - days * 1440 * minute;
  const count = days * 1440 - 60;
  sql(`PRAGMA synchronous = OFF; BEGIN;
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1})
    INSERT INTO clip (camera_no, start, id, "end", bytes, plain, header_bytes, init_bytes, sha256, state, cause, vault_no, codec_no, parts_no)
    SELECT no, ${first} + i * ${minute}, randomblob(16),
      ${first} + (i + 1) * ${minute}, bytes, plain, header_bytes, init_bytes, randomblob(32), 1, 0, vault_no, codec_no, NULL
    FROM n, (SELECT camera_no AS no, * FROM clip WHERE state = 1 AND "end" - start > 20000000 GROUP BY camera_no); COMMIT;`);
  const path = (camera, start, id) => join(dir, 'clips', ulid(camera), ...new Date(start / 1000).toISOString().slice(0, 10).split('-'), `${ulid(id)}.mp4.age`);
  const targets = [];
  let change = 'BEGIN;';
  let no = ask('SELECT max(no) AS no FROM clip_parts')[0].no;
  for (const clip of recorded) {
    const walls = new Set();
    while (walls.size < each) walls.add(first + 2 * Math.floor((Math.random() * count) / 2 - 1) * minute + 2 * minute);
    for (const wall of walls) {
      for (const start of [wall, wall + minute]) {
        const [row] = ask(`SELECT hex(id) AS id FROM clip WHERE camera_no = ${clip.no} AND start = ${start}`);
        if (!row) continue;
        const to = path(clip.camera, start, row.id);
        mkdirSync(dirname(to), { recursive: true });
        linkSync(path(clip.camera, clip.start, clip.id), to);
        change += `INSERT INTO clip_parts VALUES (${++no}, x'${moved(Buffer.from(clip.packed, 'hex'), start - clip.start).toString('hex')}');
          UPDATE clip SET parts_no = ${no}, "end" = ${start + clip.end - clip.start}, sha256 = (SELECT sha256 FROM clip WHERE id = x'${clip.id}') WHERE id = x'${row.id}';`;
      }
      targets.push({ camera: ulid(clip.camera), wall: wall / 1000, length: (clip.end - clip.start) / 1000 });
    }
  }
  sql(`${change} COMMIT;`);
  say('clips in the index', ask('SELECT count(*) AS n FROM clip')[0].n.toLocaleString('en'), `${cameras} × ${days} days`);
  return targets;
}

/** Bytes over the wire of what a page asks for, by CDP: heads and compressed bodies. */
async function wire(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.enable');
  const kinds = new Map();
  const sums = {};
  devtools.on('Network.responseReceived', ({ requestId, type }) => kinds.set(requestId, type));
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId) ?? 'Other';
    sums[kind] = (sums[kind] ?? 0) + encodedDataLength;
  });
  return () => Object.entries(sums).reduce((n, [kind, bytes]) => n + (['Fetch', 'XHR', 'Media', 'EventSource'].includes(kind) ? 0 : bytes), 0);
}

/** Goes to an address inside the app, so that the vault stays open. */
const go = (page, to) =>
  page.evaluate((to) => {
    const link = document.createElement('a');
    link.href = to;
    document.body.append(link);
    link.click();
    link.remove();
  }, to);

const ends = [];
const t = { after: (end) => ends.unshift(end) };
try {
  const dir = mkdtempSync(join(tmpdir(), 'cardea-bench-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const sources = new Program('demo', '--data', join(dir, 'cameras'), '--listen', '127.0.0.1:0');
  t.after(() => sources.stop());
  const streams = [await sources.says(/url=(rtsp:\/\/\S+front-door)\s/), await sources.says(/url=(rtsp:\/\/\S+garden)\s/)];
  const data = join(dir, 'nvr');
  const owner = setUp(data, password, passphrase);
  let box = new Program('serve', '--data', data, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  await box.says(/Address:\s+(https:\S+)/);
  const run = (...args) => execFileSync(binary, [...args, '--data', data], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (let i = 0; i < cameras; i++) run('cameras', 'add', '--name', `Camera ${i + 1}`, streams[i % 2]);
  const ready = () => new Set(JSON.parse(run('clips', 'list', '--json')).filter((c) => Date.parse(c.end) - Date.parse(c.start) > 30_000).map((c) => c.camera)).size === cameras;
  await until('half a minute of each camera', ready, 240);
  await box.stop();
  const targets = fill(data);
  box = new Program('serve', '--data', data, '--listen', '127.0.0.1:0');
  const origin = await box.says(/Address:\s+(https:\S+)/);
  await until('an answer', () => fetchUnchecked(`${origin}/healthz`).catch(() => undefined));

  const page = await browse(t, { certificate: await fetchUnchecked(`${origin}/ca.pem`), timezoneId: 'UTC', serviceWorkers: 'block' });
  await page.addInitScript(() => {
    globalThis.shift = 0;
    globalThis.tasks = [];
    new PerformanceObserver((list) => list.getEntries().forEach((e) => e.hadRecentInput || (globalThis.shift += e.value))).observe({ type: 'layout-shift', buffered: true });
    new PerformanceObserver((list) => globalThis.tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: 'longtask', buffered: true });
  });

  const bytes = await wire(page);
  await page.goto(origin);
  await page.getByLabel('Code from').waitFor();
  await page.waitForLoadState('networkidle');
  say('first load, to the sign-in', `${bytes().toLocaleString('en')} bytes`, '250,000');
  await signIn(page, password, owner.secret);
  await page.locator('[data-testid=tile] video').first().waitFor();
  await page.waitForTimeout(2000);
  say('with the live page', `${bytes().toLocaleString('en')} bytes`, '250,000');

  const shifts = [];
  for (const name of pages) {
    await page.goto(`${origin}/${name}`);
    await page.getByRole('heading', { level: 1 }).first().waitFor();
    await page.waitForTimeout(2500);
    shifts.push([name, await page.evaluate(() => globalThis.shift)]);
  }
  say('layout shift', shifts.map(([name, shift]) => `${name} ${shift.toFixed(3)}`).join(', '), '0.1 each');

  await page.goto(`${origin}/timeline`);
  await page.getByRole('button', { name: 'Vault locked' }).click();
  await page.getByLabel('Vault passphrase').fill(passphrase);
  await page.locator('form').getByRole('button', { name: 'Unlock', exact: true }).click();
  await page.getByRole('button', { name: 'Vault open' }).waitFor();
  await page.evaluate(() => (globalThis.tasks.length = 0));
  const took = [];
  let missing = 0;
  const stages = { listed: [], indexed: [], opened: [], appended: [] };
  const field = page.getByLabel('Go to date and time');
  const video = page.getByTestId('playback');
  for (const camera of new Set(targets.map((target) => target.camera))) {
    await go(page, '/health');
    await page.getByRole('heading', { name: 'Health', level: 1 }).waitFor();
    await go(page, `/timeline?camera=${camera}`);
    await page.locator(`video[data-camera="${camera}"]`).waitFor({ state: 'attached' });
    for (const { wall, length } of targets.filter((target) => target.camera === camera)) {
      const at = wall + 1000 * Math.floor(Math.random() * (length / 1000 - 8));
      const before = await page.evaluate(() => {
        performance.clearMarks();
        performance.clearMeasures();
        return globalThis.tasks.length;
      });
      // A person looks at what they found; faster than this, eight lanes of a new day each time meet the limit of requests.
      await page.waitForTimeout(1500);
      await field.fill(new Date(at).toISOString().slice(0, 19));
      const picture = () => page.evaluate(() => performance.getEntriesByName('cardea:seek-to-picture')[0]?.duration);
      const seek = await until('a picture', picture, 20).catch(() => undefined);
      if (seek === undefined) {
        const seen = await page.evaluate(() => performance.getEntriesByType('mark').map((e) => e.name));
        console.log(`no picture of ${new Date(at).toISOString()} within 20 s; marks: ${seen.join(', ') || 'none'}`);
        await keep(page, 'bench-no-picture');
        missing++;
        continue;
      }
      // It is a picture of the virtual camera, not an empty player.
      await until('the strip of the picture', () => onScreen(video));
      took.push(seek);
      const marks = await page.evaluate((names) => names.map((name) => (performance.getEntriesByName(`cardea:${name}`)[0]?.startTime ?? NaN) - performance.getEntriesByName('cardea:seek')[0].startTime), Object.keys(stages));
      Object.values(stages).forEach((list, i) => Number.isNaN(marks[i]) || list.push(marks[i]));
      if (process.env.VERBOSE) console.log(Math.round(seek), marks.map(Math.round), await page.evaluate((before) => globalThis.tasks.slice(before), before));
    }
  }
  await keep(page, 'bench-seek');
  say(`seek to picture, sealed, ${took.length} times`, `p50 ${part(took, 0.5)} ms, p95 ${part(took, 0.95)} ms, slowest ${part(took, 1)} ms${missing ? `; ${missing} without a picture` : ''}`, 'p95 300 ms');
  say('  on the way (p50)', Object.entries(stages).map(([name, list]) => `${name} ${part(list, 0.5)}`).join(', ') + ' ms');
  const tasks = await page.evaluate(() => globalThis.tasks);
  say('main thread in these seeks', tasks.length ? `longest task ${part(tasks, 1)} ms, ${tasks.length} of 50 ms and more` : 'no task of 50 ms');

  const width = Math.max(...rows.map((r) => r.what.length)) + 2;
  console.log(`\n${'measured'.padEnd(width)}load  bar`);
  for (const r of rows) console.log(`${r.what.padEnd(width)}${r.load.padStart(4)}  ${r.bar.padEnd(14)}${r.measured}`);
} finally {
  for (const end of ends) await end();
}

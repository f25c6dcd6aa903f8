// The timeline: zoom, scrubbing with pictures, several cameras on one clock, single pictures, marks and a saved video.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { accessible } from './axe.mjs';
import { binary, browse, fetchUnchecked, keep, Program, recordings, scratch, setUp, signIn, until } from './box.mjs';
import { seen } from './cameras.mjs';
import { onScreen, pictures } from './picture.mjs';

const password = 'seven quiet lanterns 42';
const passphrase = 'lusab-babad-gutih-tugad-mudof';

test('the timeline', async (t) => {
  const cameras = new Program('demo', '--data', scratch(t, 'cameras'), '--listen', '127.0.0.1:0');
  t.after(() => cameras.stop());
  const front = await cameras.says(/url=(rtsp:\/\/\S+front-door)/);
  const other = await cameras.says(/url=(rtsp:\/\/\S+(?<!front-door))\s/);
  const dir = scratch(t, 'nvr');
  const owner = setUp(dir, password, passphrase);
  const box = new Program('serve', '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  const origin = await box.says(/Address:\s+(https:\S+)/);
  await until('the box', () => fetchUnchecked(`${origin}/healthz`).then(String).catch(() => ''));
  const run = (...args) => execFileSync(binary, [...args, '--data', dir], { stdio: ['ignore', 'pipe', 'pipe'] });
  run('cameras', 'add', '--name', 'Porch', front);
  run('cameras', 'add', '--name', 'Garden', other);
  const clips = () => JSON.parse(run('clips', 'list', '--json'));

  const page = await browse(t, { certificate: await fetchUnchecked(`${origin}/ca.pem`), timezoneId: 'America/New_York' });
  // What a person picks in a dialog of the system, no test can pick: it is a download then.
  await page.addInitScript(() => delete window.showSaveFilePicker);
  await page.goto(`${origin}/timeline`);
  await signIn(page, password, owner.secret);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  const lane = page.getByTestId('lane').first();
  const video = page.getByTestId('playback');
  const position = async () => Number(await page.getByTestId('position').getAttribute('data-wall'));
  const view = async () => lane.evaluate((l) => [Number(l.dataset.from), Number(l.dataset.to), l.clientWidth]);
  const placeOf = async (wall) => {
    const [from, to, width] = await view();
    return { x: (width * (wall - from)) / (to - from), y: 17 };
  };
  const change = (id, body) =>
    page.evaluate(async ([id, body]) => (await fetch(`/api/cameras/${id}`, { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body })).status, [id, JSON.stringify(body)]);
  const porch = JSON.parse(run('cameras', 'list', '--json')).find((c) => c.name === 'Porch').id;
  await lane.waitFor(); // signed in
  assert.equal(await change(porch, { sub_url: `${front}-sub` }), 200);
  const start = await until('twelve seconds of both', () => {
    const all = clips().filter((c) => c.open);
    const last = Math.max(...all.map((c) => Date.parse(c.start)));
    return all.length === 2 && all.every((c) => Date.parse(c.end) - last > 12_000) && last;
  }, 120);
  await recordings(lane);

  await t.test('a locked vault says so instead of a picture', async () => {
    await page.getByRole('button', { name: '10 min' }).click();
    await lane.hover({ position: await placeOf(start + 6000) });
    await page.getByTestId('bubble').getByText('Unlock the vault to see pictures').waitFor();
    assert.equal(await page.getByTestId('bubble').getByTestId('glimpse').isVisible().catch(() => false), false);
    await page.getByRole('button', { name: 'Vault locked' }).click();
    await page.getByLabel('Vault passphrase', { exact: true }).fill(passphrase);
    await page.getByRole('button', { name: 'Unlock', exact: true }).click();
    await page.getByRole('button', { name: 'Vault open' }).waitFor();
  });

  // One clip ends and the next one begins, with a short gap, for the export below.
  assert.equal(await change(porch, { mode: 'off' }), 200);
  const closed = await until('a closed clip', () => clips().find((c) => c.camera === porch && c.sha256 && Date.parse(c.end) > start));
  await until('a gap that is seen', () => Date.now() > Date.parse(closed.end) + 4000);
  assert.equal(await change(porch, { mode: 'continuous' }), 200);

  await t.test('the pointer shows the picture of its moment', async () => {
    const at = await placeOf(start + 6000);
    await lane.hover({ position: { ...at, x: at.x - 2 } });
    await lane.hover({ position: at });
    const canvas = page.getByTestId('bubble').getByTestId('glimpse');
    await canvas.waitFor();
    // It is no empty canvas.
    const colours = await canvas.evaluate((c) => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size);
    assert.ok(colours > 30, `${colours} levels`);
    await keep(page, 'timeline-scrub');
    // The camera has a small stream, so that it is a picture of the preview beside the clip.
    const detail = () => page.evaluate(async (id) => (await fetch(`/api/clips/${id}`)).json(), closed.id);
    const preview = await until('the preview', async () => (await detail()).preview);
    t.diagnostic(`a preview of ${preview.parts.length} pictures has ${preview.bytes} bytes, its clip ${closed.bytes}`);
    await page.locator(`[data-testid=lane][data-camera="${porch}"]`).hover({ position: await placeOf(Date.parse(closed.start) + 9000) });
    await until('the preview is fetched', () => asked.some((url) => url.endsWith(`/api/clips/${closed.id}/preview`)));
  });

  await t.test('wheel and keys zoom between ten seconds and seven days, drags move', async () => {
    const length = async () => (([from, to]) => to - from)(await view());
    await lane.hover({ position: await placeOf(start + 6000) });
    for (let i = 0; i < 60 && (await length()) > 10_001; i++) await page.mouse.wheel(0, -400);
    await until('ten seconds', async () => Math.abs((await length()) - 10_000) < 1);
    const [before] = await view();
    const place = await lane.boundingBox();
    await page.mouse.move(place.x + 300, place.y + 10);
    await page.mouse.down();
    await page.mouse.move(place.x + 500, place.y + 10, { steps: 4 });
    await page.mouse.up();
    await until('the view went back', async () => (await view())[0] < before - 500);
    await lane.focus();
    for (let i = 0; i < 40 && (await length()) < 7 * 86_400_000 - 1; i++) await page.keyboard.press('-');
    assert.equal(await length(), 7 * 86_400_000);
    await page.getByRole('button', { name: '10 min' }).click();
  });

  await t.test('two cameras follow one clock', async () => {
    await page.getByRole('group', { name: 'Cameras on the screen' }).getByRole('button', { name: 'Garden' }).click();
    await lane.click({ position: await placeOf(start + 4000) });
    const both = await until('two pictures of one moment', async () => {
      const shown = await page.evaluate(() => [...document.querySelectorAll('video')].map((v) => v.readyState >= 3 && !v.seeking && v.currentTime > 0));
      if (shown.length !== 2 || shown.includes(false)) return undefined;
      const walls = (await Promise.all([onScreen(video.nth(0)), onScreen(video.nth(1))])).map((p) => p?.wall);
      return walls[0] && walls[1] && Math.abs(walls[0] - walls[1]) < 700 && walls;
    });
    t.diagnostic(`the two are ${Math.abs(both[0] - both[1])} ms apart`);
    await keep(page, 'timeline-two');
    // One of them has nothing for a while: that is said in its place, and the other goes on.
    const garden = page.locator(`[data-testid=lane]:not([data-camera="${porch}"])`);
    await until('recordings after the gap', () => clips().some((c) => c.camera === porch && c.start > closed.end && Date.parse(c.end) - Date.parse(c.start) > 2000), 60);
    await garden.click({ position: await placeOf(Date.parse(closed.end) - 500) });
    await page.locator('.screen', { has: page.locator(`video[data-camera="${porch}"]`) }).getByText('Nothing recorded').waitFor();
    await until('both again', async () => (await position()) > Date.parse(closed.end) + 5000 && !(await page.locator('.screen').getByText('Nothing recorded').count()));
    await page.getByRole('group', { name: 'Cameras on the screen' }).getByRole('button', { name: 'Garden' }).click();
    await lane.click({ position: await placeOf(start + 5000) });
    await until('one picture', () => video.evaluate((v) => v.readyState >= 3 && !v.seeking));
  });

  await t.test('single pictures, forward and back', async () => {
    await page.getByRole('button', { name: 'Pause' }).click();
    // The player may settle on the picture beside the one that was on the screen when it stopped.
    const still = () => {
      let before;
      return until('a still picture', async () => {
        const number = (await video.evaluate((v) => v.paused && !v.seeking && v.readyState >= 2)) ? (await onScreen(video))?.number : undefined;
        const stands = number !== undefined && number === before;
        before = number;
        return stands && number;
      });
    };
    const step = async (name, from) => {
      await page.getByRole('button', { name }).click();
      return until('another picture', async () => {
        const number = await still();
        return number !== from && number;
      });
    };
    const first = await still();
    const second = await step('One picture on', first);
    assert.equal(second, first + 1);
    assert.equal(await step('One picture back', second), first);
  });

  await t.test('fast, it takes key frames only', async () => {
    await page.getByLabel('Speed').selectOption('16');
    await page.getByRole('button', { name: 'Play' }).click();
    const begun = await position();
    await until('ten seconds and more', async () => (await position()) > begun + 8000, 40);
    await page.getByLabel('Speed').selectOption('1');
    await page.getByRole('button', { name: 'Pause' }).click();
  });

  await t.test('what lies between marks is saved as one video, and the log says so', async () => {
    const camera = page.locator(`[data-testid=lane][data-camera="${porch}"]`);
    await page.getByRole('button', { name: '10 min' }).click();
    const clickAt = async (wall) => {
      await camera.click({ position: await placeOf(wall) });
      await until('the moment', async () => Math.abs((await position()) - wall) < 8000);
      await page.getByRole('button', { name: 'Pause' }).click();
    };
    const [from, to] = [Date.parse(closed.end) - 9000, Date.parse(closed.end) + 9000];
    await until('the next clip', () => clips().some((c) => c.camera === porch && Date.parse(c.end) > to + 4000), 60);
    await recordings(camera, 2);
    await clickAt(from);
    await page.getByRole('button', { name: 'Mark start' }).click();
    await clickAt(to);
    await page.getByRole('button', { name: 'Mark end' }).click();
    await page.getByRole('button', { name: 'Save as video' }).click();
    await page.getByTestId('export-plan').waitFor();
    const done = () => seen(page, page.getByText('The video is saved'));
    await page.getByLabel('Note for the log').fill('the parcel');
    await keep(page, 'export');
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await done();
    const file = await (await saved).path();
    const probe = JSON.parse(execFileSync('ffprobe', ['-v', 'error', '-count_packets', '-show_entries', 'stream=codec_type,nb_read_packets:format=duration', '-of', 'json', file]));
    const seconds = Number(probe.format.duration);
    assert.ok(seconds > 10 && seconds < 40, `${seconds} s`);
    assert.equal(execFileSync('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-'], { stdio: ['ignore', 'pipe', 'pipe'] }).toString(), '');
    // One picture after the other, but for the gap between the two clips, which takes no time in the video.
    const numbers = pictures(readFileSync(file)).map((p) => p.number);
    assert.ok(numbers.length > 100, `${numbers.length} pictures`);
    assert.equal(numbers.filter((n, i) => i > 0 && n !== numbers[i - 1] + 1).length, 1);
    assert.ok(seconds < numbers.length, `${seconds} s`);
    const log = JSON.parse(run('log', 'list', '--action', 'clip.export', '--json'));
    assert.equal(log.length, 1);
    assert.match(JSON.stringify(log), /the parcel/);
    await page.getByRole('button', { name: 'Close' }).last().click();

    // Kept for ever, by an event that stands for it.
    await page.getByRole('button', { name: 'Keep', exact: true }).click();
    await page.getByText(/kept for ever/).waitFor();
    const kept = await page.evaluate(async () => (await fetch('/api/events?keep=true')).json());
    assert.deepEqual(kept.map((e) => [e.kind, e.camera, e.data.by, e.reviewed.by]), [['kept', porch, 'Ada', 'Ada']]);
    assert.ok(Math.abs(Date.parse(kept[0].start) - from) < 8000 && Math.abs(Date.parse(kept[0].end) - to) < 8000, JSON.stringify(kept));
    assert.equal(JSON.parse(run('log', 'list', '--action', 'event.keep', '--json')).length, 1);
    await keep(page, 'timeline-kept');

    // And straight to the disk, where the browser lets a page write: the same bytes.
    await page.evaluate(() => (window.showSaveFilePicker = async () => (await navigator.storage.getDirectory()).getFileHandle('saved.mp4', { create: true })));
    await page.getByRole('button', { name: 'Save as video' }).click();
    await page.getByTestId('export-plan').waitFor();
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await done();
    const bytes = await page.evaluate(async () => (await (await (await navigator.storage.getDirectory()).getFileHandle('saved.mp4')).getFile()).size);
    assert.equal(bytes, readFileSync(file).length);
    await page.getByRole('button', { name: 'Close' }).last().click();
  });

  await t.test('without WebCodecs a hidden player decodes', async () => {
    await page.evaluate(() => delete window.VideoDecoder);
    await page.mouse.move(5, 5);
    await lane.hover({ position: await placeOf(start + 2000) });
    await page.getByTestId('bubble').getByTestId('glimpse').waitFor();
  });

  const seeks = await page.evaluate(() => performance.getEntriesByName('cardea:seek-to-picture').map((e) => Math.round(e.duration)));
  t.diagnostic(`from the click to the picture: ${seeks.join(', ')} ms`);

  await t.test('the day on which the clock goes back has 25 hours', async () => {
    await page.getByLabel('Go to date and time').fill('2026-11-01T12:00:00');
    await page.getByText('Times are in your time zone').waitFor();
    await page.goto(`${origin}/timeline?day=2026-11-01`);
    await lane.waitFor();
    const [from, to] = await view();
    assert.equal((to - from) / 3_600_000, 25);
    await keep(page, 'timeline-25h');
  });

  await t.test('axe finds nothing', async () => {
    await page.evaluate(() => history.replaceState(null, '', '/timeline'));
    await page.reload();
    await recordings(lane);
    await accessible(page, 'the timeline');
  });

  assert.deepEqual(page.complaints, []);
});

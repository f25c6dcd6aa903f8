// A camera from a shop whose streams are H.265, in a browser that has no decoder for it: what is said live and on the timeline, and the one click
// by which the camera sends its small stream in H.264.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { accessible } from './axe.mjs';
import { binary, keep, scratch, until } from './box.mjs';
import { open, shop } from './cameras.mjs';

const secret = 'c0rrect-horse-battery';

/** Encodes a moving test picture with x265, as a camera would: no B frames, a key frame each second. */
function film(path, size) {
  const encoder = ['-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1', '-x265-params', 'log-level=error:bframes=0:keyint=10:min-keyint=10:scenecut=0'];
  execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', `testsrc2=s=${size}:r=10:d=4`, '-pix_fmt', 'yuv420p', ...encoder, '-b:v', '500k', path]);
}

test('H.265 where the browser cannot', async (t) => {
  const films = scratch(t, 'films');
  film(join(films, 'main.mp4'), '960x540');
  film(join(films, 'sub.mp4'), '320x180');
  const [barn] = await shop(t, ['-password', secret, '-h265', films, '-plain']);
  const { page, origin, dir, enter, passphrase } = await open(t);
  await enter();
  assert.equal(await page.evaluate(() => MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L93.B0"')), false, 'this browser has no decoder');
  const added = await page.evaluate(
    async (url) => (await fetch('/api/cameras', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name: 'Barn', url }) })).json(),
    barn.service.replace('//', `//operator:${secret}@`),
  );
  assert.deepEqual([new URL(added.sub.url).pathname, added.controls.ptz], ['/sub', true], 'found over ONVIF');
  const tile = page.getByTestId('tile').filter({ hasText: 'Barn' });
  const said = 'The camera sends H.265, and this browser cannot show it.';
  /** The picture is the small one, and more of it come. */
  const moves = async () => {
    const shown = () => tile.locator('video').evaluate((v) => (v.videoWidth === 320 ? v.getVideoPlaybackQuality().totalVideoFrames : 0));
    const first = await until('a picture of the small stream', shown);
    await until('the next ones', async () => (await shown()) > first + 3);
  };
  /** The words as they are at both sizes, whole and readable. */
  const look = async (name, words) => {
    for (const [suffix, width, height] of [['', 1280, 800], ['-phone', 390, 844]]) {
      await page.setViewportSize({ width, height });
      await words.waitFor();
      await page.waitForTimeout(300); // what slides in
      await accessible(page, `${name}${suffix}`);
      await keep(page, `${name}${suffix}`);
      const cut = await words.evaluate((e) => {
        const box = e.getBoundingClientRect();
        for (let up = e.parentElement; up; up = up.parentElement) {
          const room = up.getBoundingClientRect();
          if (getComputedStyle(up).overflow !== 'visible' && (box.top < room.top - 1 || box.bottom > room.bottom + 1 || box.left < room.left - 1 || box.right > room.right + 1)) return up.className;
        }
        return '';
      });
      assert.equal(cut, '', `${name}${suffix}: the sentence is cut off`);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  };

  await t.test('the recording says so', async () => {
    const clips = () => JSON.parse(execFileSync(binary, ['clips', 'list', '--json', '--data', dir], { stdio: ['ignore', 'pipe', 'pipe'] }));
    const clip = await until('some seconds of it', () => clips().find((c) => Date.parse(c.end) - Date.parse(c.start) > 4000));
    await page.goto(`${origin}/timeline?at=${new Date(Date.parse(clip.start) + 1000).toISOString()}`);
    await page.getByRole('button', { name: 'Vault locked' }).click();
    await page.getByLabel('Vault passphrase', { exact: true }).fill(passphrase);
    await page.getByRole('button', { name: 'Unlock', exact: true }).click();
    await page.getByRole('button', { name: 'Vault open' }).waitFor();
    const message = page.getByRole('alert').filter({ hasText: said });
    await message.waitFor();
    await message.getByRole('button', { name: 'Small stream to H.264' }).waitFor();
    await look('timeline-h265', message.getByText(said));
  });

  await t.test('the live picture says so, and one click mends it', async () => {
    await page.goto(`${origin}/live?camera=${added.id}`);
    await tile.getByText(said).waitFor();
    assert.equal(await tile.getAttribute('data-state'), 'bad');
    await look('live-h265', tile.getByText(said));
    assert.deepEqual(barn.encoded(), []);
    await tile.getByRole('button', { name: 'Show it in H.264' }).click();
    await page.getByText('The smaller stream is H.264 now').waitFor();
    assert.deepEqual(barn.encoded(), ['sub H264'], 'the camera was told once, about its small stream only');
    await until('a live picture', async () => (await tile.getAttribute('data-state')) === 'live');
    await moves();
    await keep(page, 'live-h264');
  });

  await t.test('whoever comes back sees the picture at once', async () => {
    await page.reload();
    await until('a live picture', async () => (await tile.getAttribute('data-state')) === 'live');
    await moves();
    assert.ok(!(await tile.getByText(said).isVisible()));
    const now = await page.evaluate(async () => (await fetch('/api/cameras')).json());
    assert.deepEqual([now[0].codecs[0], now[0].sub.codec], ['hevc', 'h264'], 'what is recorded stays as it was');
  });

  assert.deepEqual(page.complaints, []);
});

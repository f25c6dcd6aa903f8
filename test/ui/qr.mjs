// A QR code as a program prints it on a console, and a film of it for a browser's camera.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** The modules of the code in what was printed, row by row: true is light. Each character stands for two of them, one above the other. */
function modules(said) {
  const lines = said.split('\n').filter((line) => /^[█▀▄ ]{20,}$/.test(line));
  assert.ok(lines.length > 10, `no QR code in:\n${said}`);
  const rows = lines.flatMap((line) => ['█▀', '█▄'].map((lit) => [...line].map((c) => lit.includes(c))));
  return rows.filter((row, i) => i < rows.length - 1 || row.some(Boolean)); // the last line may hold one row only
}

/** Writes a film of the printed code as a phone might see it: held askew, grey around it, with noise. */
export function film(said, file) {
  const rows = modules(said);
  const picture = Buffer.concat([Buffer.from(`P5 ${rows[0].length} ${rows.length} 255\n`), ...rows.map((row) => Buffer.from(row.map((light) => (light ? 235 : 25))))]);
  const view = 'scale=iw*10:ih*10:flags=neighbor,pad=640:480:-1:-1:gray,rotate=0.12:fillcolor=gray,noise=alls=8:allf=t,format=yuv420p';
  execFileSync('ffmpeg', ['-loglevel', 'error', '-y', '-f', 'image2pipe', '-c:v', 'pgm', '-loop', '1', '-i', '-', '-vf', view, '-r', '10', '-frames:v', '10', file], { input: picture });
}

/** The browser's own camera, which sees a film instead of the world, and may be used without a question. */
export const eye = (file) => ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${file}`];

/**
 * Gives a page the one thing that Chromium lacks on Linux: a BarcodeDetector. It reads the frames that the page gives it, with a reader that
 * others wrote; nothing about the code is told to it.
 */
export async function readsCodes(page) {
  await page.addInitScript({ content: readFileSync(createRequire(import.meta.url).resolve('jsqr'), 'utf8') });
  await page.addInitScript(() => {
    window.hasDetector = 'BarcodeDetector' in window;
    window.BarcodeDetector = class {
      async detect(video) {
        const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
        const context = canvas.getContext('2d');
        context.drawImage(video, 0, 0);
        const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
        const code = window.jsQR(data, width, height);
        window.readFrom = `${video.srcObject.getVideoTracks()[0].label} ${width} × ${height}`;
        return code ? [{ rawValue: code.data }] : [];
      }
    };
  });
}

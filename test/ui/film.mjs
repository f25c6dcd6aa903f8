// A film of what the page shows: each picture as the browser paints it, joined with the times between them.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Films the page from now on; gives how to end it, which leaves dir.webm beside the pictures in dir and gives its length. */
export async function film(page, dir, file) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const session = await page.context().newCDPSession(page);
  const frames = [];
  session.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    const name = `${String(frames.length).padStart(5, '0')}.jpg`;
    writeFileSync(join(dir, name), Buffer.from(data, 'base64'));
    frames.push({ name, time: metadata.timestamp });
    session.send('Page.screencastFrameAck', { sessionId }).catch(() => undefined); // the page may be gone
  });
  await session.send('Page.startScreencast', { format: 'jpeg', quality: 75, maxWidth: 1280, maxHeight: 800, everyNthFrame: 3 });
  return async () => {
    await session.send('Page.stopScreencast');
    const list = frames.flatMap(({ name, time }, i) => [`file ${name}`, `duration ${Math.max(0.01, (frames[i + 1]?.time ?? time + 1) - time).toFixed(3)}`]);
    writeFileSync(join(dir, 'times.txt'), `ffconcat version 1.0\n${list.join('\n')}\nfile ${frames.at(-1).name}\n`);
    const how = ['-vf', 'fps=8,scale=trunc(iw/2)*2:trunc(ih/2)*2', '-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-b:v', '1500k'];
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'concat', '-i', join(dir, 'times.txt'), ...how, file]);
    const seconds = execFileSync('ffprobe', ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', file], { encoding: 'utf8' });
    return { frames: frames.length, seconds: Number(seconds) };
  };
}

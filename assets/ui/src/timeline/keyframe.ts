/** The key frame with which a part of a clip begins, without the rest of the part. */
import { readParts } from '../mp4/fragment';

/** Bytes to open at once: most key frames are smaller, and it is whole chunks anyway. */
const guessBytes = 160 * 1024;

/**
 * Reads the first picture of a track in the part at bytes [begin, end). `time` is in units of the track. Undefined where the
 * part has no whole key frame.
 */
export async function keyFrame(read: (from: number, to: number) => Promise<ArrayBuffer>, begin: number, end: number, track: number): Promise<{ bytes: Uint8Array<ArrayBuffer>; time: number } | undefined> {
  const guess = new Uint8Array(await read(begin, Math.min(end, begin + guessBytes)));
  const sample = readParts(guess)[0]?.runs.find((r) => r.track === track)?.samples[0];
  if (!sample?.key) return undefined;
  const bytes = new Uint8Array(sample.size);
  const have = guess.subarray(sample.at, sample.at + sample.size);
  bytes.set(have);
  const missing = sample.size - have.length;
  if (missing > 0) {
    const from = begin + Math.max(guess.length, sample.at);
    const rest = new Uint8Array(await read(from, from + missing));
    if (rest.length < missing) return undefined; // a torn end
    bytes.set(rest, have.length);
  }
  return { bytes, time: sample.dts + sample.cts };
}

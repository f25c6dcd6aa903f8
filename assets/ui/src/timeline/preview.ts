/**
 * Small pictures of a moment, opened in this browser: for scrubbing on the timeline and for the feed of events. Nothing
 * that is decoded here is stored or sent anywhere.
 */
import { readInit } from '../mp4/fragment';
import { keys } from '../vault/keys.svelte';
import { clipAt, clipDetail, extent, infoOf, type Playable } from './clips';
import { decode } from './decode';
import { keyFrame } from './keyframe';
import { pictures } from './pictures.svelte';
import { firstPart } from './placement';

/** So many are made at the same time for a page of them. */
const atOnce = 3;

let running = 0;
const waiting: (() => void)[] = [];

/**
 * The picture of a camera at, or just before, a moment (ms since 1970), at most 320 pixels wide. It belongs to a bounded
 * cache: draw it at once, never close it. Null where nothing was recorded, the vault is locked, or this browser cannot
 * decode the stream; it never rejects.
 */
export async function thumbnail(camera: string, time: number): Promise<ImageBitmap | null> {
  if (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
  running++;
  try {
    return (await pictureAt(camera, time)).bitmap;
  } catch {
    return null;
  } finally {
    running--;
    waiting.shift()?.();
  }
}

/** Why there is no picture, or the picture and its own moment. */
export type Glimpse = { bitmap: ImageBitmap; wall: number; why?: undefined } | { bitmap: null; why: 'nothing' | 'locked' | 'codec' };

/**
 * The same with the reason, without waiting for others: for the pointer. Rejects with what the box or the key worker said,
 * KeyError or IndexError.
 */
export async function pictureAt(camera: string, time: number): Promise<Glimpse> {
  if (keys.open.length === 0) return { bitmap: null, why: 'locked' };
  const row = await clipAt(camera, time);
  if (!row) return { bitmap: null, why: 'nothing' };
  const clip = await clipDetail(row.id);
  if (!keys.isOpen(clip.vault)) return { bitmap: null, why: 'locked' };
  if (clip.parts.length === 0) return { bitmap: null, why: 'nothing' };
  const part = firstPart(clip.parts, time);
  const wall = Date.parse(clip.parts[part]?.start ?? clip.start);
  const bitmap = await pictures.take(`${clip.id} ${part}`, () => picture(clip, part));
  return bitmap ? { bitmap, wall } : { bitmap: null, why: 'codec' };
}

async function picture(clip: Playable, part: number): Promise<ImageBitmap | null> {
  const info = infoOf(clip);
  const read = async (from: number, to: number) => (await keys.ask('read', { clip: info, from, to })).bytes;
  const init = new Uint8Array(await read(0, clip.init_bytes));
  const track = readInit(init).find((t) => t.kind === 'video');
  const frame = track && (await keyFrame(read, ...extent(clip, part, part + 1), track.id));
  return frame ? decode({ mime: clip.mime, init, track, bytes: frame.bytes }) : null;
}

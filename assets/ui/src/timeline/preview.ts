/**
 * Small pictures of a moment, opened in this browser: for scrubbing on the timeline and for the feed of events. Nothing
 * that is decoded here is stored or sent anywhere.
 */
import { readInit } from '../mp4/fragment';
import type { ClipInfo } from '../vault/clip';
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
  const at = placeIn(clip, time);
  if (!at) return { bitmap: null, why: 'nothing' };
  const bitmap = await pictures.take(`${clip.id} ${at.info.file ?? ''} ${at.part}`, () => picture(at));
  return bitmap ? { bitmap, wall: at.wall } : { bitmap: null, why: 'codec' };
}

/** Where a key frame is: in which file, and as which of its parts. */
interface Place {
  info: ClipInfo;
  mime: string;
  initBytes: number;
  part: number;
  range: [number, number];
  wall: number;
}

/** The preview beside the clip where there is one, for it is small; else the clip itself. */
function placeIn(clip: Playable, time: number): Place | undefined {
  const beside = clip.preview;
  if (beside && beside.parts.length > 0) {
    const part = firstPart(beside.parts.map((p) => ({ ...p, key: true })), time);
    const { start, offset } = beside.parts[part] ?? { start: clip.start, offset: beside.init_bytes };
    const info: ClipInfo = { id: clip.id, vault: clip.vault, bytes: beside.bytes, headerBytes: beside.header_bytes, complete: true, file: 'preview' };
    return { info, mime: beside.mime, initBytes: beside.init_bytes, part, range: [offset, beside.parts[part + 1]?.offset ?? beside.bytes], wall: Date.parse(start) };
  }
  if (clip.parts.length === 0) return undefined;
  const part = firstPart(clip.parts, time);
  return { info: infoOf(clip), mime: clip.mime, initBytes: clip.init_bytes, part, range: extent(clip, part, part + 1), wall: Date.parse(clip.parts[part]?.start ?? clip.start) };
}

async function picture(place: Place): Promise<ImageBitmap | null> {
  const read = async (from: number, to: number) => (await keys.ask('read', { clip: place.info, from, to })).bytes;
  const init = new Uint8Array(await read(0, place.initBytes));
  const track = readInit(init).find((t) => t.kind === 'video');
  const frame = track && (await keyFrame(read, ...place.range, track.id));
  return frame ? decode({ mime: place.mime, init, track, bytes: frame.bytes }) : null;
}

/** What an export is made of: which parts of which clips, and how many files they give. */
import { joinable } from '../mp4/join';
import { clipDetail, clipsWithin, infoOf, type Playable } from '../timeline/clips';
import { firstPart } from '../timeline/placement';
import { keys } from '../vault/keys.svelte';

/** Parts [first, end) of a clip. */
export interface Piece {
  clip: Playable;
  first: number;
  end: number;
}

/** Pieces that are one file: the same codecs and parameter sets throughout. */
export interface Run {
  camera: string;
  init: Uint8Array;
  pieces: Piece[];
  /** When the first picture was taken and the last one ends, in ms since 1970. */
  from: number;
  to: number;
  bytes: number;
}

/** The parts of a clip that hold a part of time, from the key frame before it on; undefined where it has none. */
export function cut(clip: Playable, from: number, to: number): Piece | undefined {
  const first = firstPart(clip.parts, from);
  let end = first;
  while (end < clip.parts.length && Date.parse(clip.parts[end]?.start ?? '') < to) end++;
  return end > first ? { clip, first, end } : undefined;
}

/** Plaintext bytes of a piece; the end of a clip is about where its file ends. */
export function span(piece: Piece): [number, number] {
  const { clip, first, end } = piece;
  return [clip.parts[first]?.offset ?? clip.init_bytes, clip.parts[end]?.offset ?? clip.bytes];
}

/**
 * Looks up what to write. Rejects with IndexError or KeyError.
 */
export async function plan(camera: string, from: number, to: number, signal: AbortSignal): Promise<Run[]> {
  const runs: Run[] = [];
  for (const row of await clipsWithin(camera, from, to)) {
    signal.throwIfAborted();
    const clip = await clipDetail(row.id);
    const piece = cut(clip, from, to);
    if (!piece) continue;
    const { bytes } = await keys.ask('read', { clip: infoOf(clip), from: 0, to: clip.init_bytes }, signal);
    const init = new Uint8Array(bytes);
    const [begin, end] = span(piece);
    const last = runs.at(-1);
    const until = Date.parse(clip.parts[piece.end]?.start ?? clip.end);
    if (last && joinable(last.init, init)) {
      last.pieces.push(piece);
      last.bytes += end - begin;
      last.to = until;
    } else {
      runs.push({ camera, init, pieces: [piece], from: Date.parse(clip.parts[piece.first]?.start ?? clip.start), to: until, bytes: end - begin + init.length });
    }
  }
  return runs;
}

/** A name for a file that any system takes: the camera and when it begins, on the clock on the wall. */
export function fileName(camera: string, from: number): string {
  const d = new Date(from);
  const two = (n: number) => String(n).padStart(2, '0');
  const name = camera.replace(/[\p{Cc}<>:"/\\|?*]/gu, ' ').replace(/\s+/g, ' ').trim().slice(0, 80) || 'Cardea';
  return `${name} ${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}-${two(d.getMinutes())}-${two(d.getSeconds())}.mp4`;
}

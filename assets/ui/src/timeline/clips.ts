/**
 * What the index of the box says about clips, kept for a while: a moment that the pointer has passed is at hand when it is
 * clicked, and playback, scrubbing and export ask once.
 */
import { get, type Problem } from '../api/client';
import type { Clip, ClipRow } from '../api/types';
import type { ClipInfo } from '../vault/clip';

/** What is played of a clip: its index. */
export type Playable = Pick<Clip, 'id' | 'vault' | 'start' | 'end' | 'bytes' | 'mime' | 'header_bytes' | 'init_bytes' | 'complete' | 'open' | 'torn' | 'parts'> & Partial<Pick<Clip, 'preview'>>;
export type Row = Pick<ClipRow, 'id' | 'start' | 'end'>;

/** The box refused or was not reached; the message is for people. */
export class IndexError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

const hour = 3_600_000;
const day = 24 * hour;
/** The newest part of the index changes every second. */
const fresh = 1500;
/** Behind this, a clip is closed and stays as it is until it is deleted. */
const settled = 5 * 60_000;
const keptHours = 64;
const keptClips = 400;

function bounded<K, V>(map: Map<K, V>, key: K, value: V, most: number): V {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) break;
    map.delete(oldest);
  }
  return value;
}

interface Kept<T> {
  until: number;
  value: Promise<T>;
}

const hours = new Map<string, Kept<Row[]>>();
const details = new Map<string, Kept<Playable>>();

function remembered<T>(map: Map<string, Kept<T>>, key: string, most: number, ask: () => Promise<T>, good: (value: T) => number): Promise<T> {
  const kept = map.get(key);
  if (kept && kept.until > Date.now()) return bounded(map, key, kept, most).value;
  const entry: Kept<T> = { until: Infinity, value: ask() };
  entry.value.then(
    (value) => (entry.until = Date.now() + good(value)),
    () => map.get(key) === entry && map.delete(key),
  );
  return bounded(map, key, entry, most).value;
}

async function ask(camera: string, from: number, to: number, limit: number): Promise<Row[]> {
  const query = { camera, from: new Date(from).toISOString(), to: new Date(to).toISOString(), limit };
  const answer = await get('/api/clips', { query });
  if (answer.ok) return answer.value.filter((c) => Date.parse(c.end) > from).sort((a, b) => a.start.localeCompare(b.start));
  throw answer.problem ? new IndexError(answer.problem) : new DOMException('stopped', 'AbortError');
}

/** The clips of a camera in the hour that holds a moment, oldest first. */
function inHour(camera: string, wall: number): Promise<Row[]> {
  const from = Math.floor(wall / hour) * hour;
  const life = () => (Date.now() - from - hour > settled ? 10 * 60_000 : fresh);
  return remembered(hours, `${camera} ${from}`, keptHours, () => ask(camera, from, from + hour, 1000), life);
}

/** The clip that shows a moment. */
export async function clipAt(camera: string, wall: number): Promise<Row | undefined> {
  return (await inHour(camera, wall)).findLast((c) => Date.parse(c.start) <= wall && Date.parse(c.end) > wall);
}

/** Clips that end after a moment, oldest first; not necessarily all. */
export async function clipsAfter(camera: string, wall: number): Promise<Row[]> {
  const near = (await inHour(camera, wall)).filter((c) => Date.parse(c.end) > wall);
  const first = near[0];
  if (first && Date.parse(first.start) <= wall) return near;
  // A hole: what follows may be far away, but what was found in this hour is next.
  return near.length > 0 ? near : ask(camera, wall, wall + 31 * day, 50);
}

/** All clips of a camera that overlap a part of time, oldest first. */
export function clipsWithin(camera: string, from: number, to: number): Promise<Row[]> {
  return ask(camera, from, to, 10_000);
}

export function clipDetail(id: string): Promise<Playable> {
  return remembered(
    details,
    id,
    keptClips,
    async () => {
      const answer = await get('/api/clips/{id}', { path: { id } });
      if (answer.ok) return answer.value;
      throw answer.problem ? new IndexError(answer.problem) : new DOMException('stopped', 'AbortError');
    },
    // The preview of a clip is filed a little after its end.
    (clip) => (clip.open ? fresh / 2 : clip.preview || Date.now() - Date.parse(clip.end) > settled ? Infinity : 5000),
  );
}

export function infoOf(clip: Playable): ClipInfo {
  return { id: clip.id, vault: clip.vault, bytes: clip.bytes, headerBytes: clip.header_bytes, complete: clip.complete };
}

/** Plaintext bytes of parts [from, to); without end where the last one is not known to end. */
export function extent(clip: Playable, from: number, to: number): [number, number] {
  const begin = clip.parts[from]?.offset ?? clip.init_bytes;
  return [begin, clip.parts[to]?.offset ?? Number.MAX_SAFE_INTEGER];
}

/** For tests. */
export function forgetClips(): void {
  hours.clear();
  details.clear();
}

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

/** The newest part of the index changes every second. */
const fresh = 1500;
/** Behind this, a clip is closed and stays as it is until it is deleted. */
const settled = 5 * 60_000;
const remembers = 10 * 60_000;
const keptAnswers = 100;
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

/** What the box said of a camera: all of its clips that end in a part of time, oldest first. */
interface Answer {
  camera: string;
  from: number;
  rows: Row[];
  at: number;
}

interface Kept {
  until: number;
  value: Promise<Playable>;
}

let answers: Answer[] = [];
const asking = new Map<string, Promise<Row[]>>();
const details = new Map<string, Kept>();

const wrong = (problem: Problem | undefined): Error => (problem ? new IndexError(problem) : new DOMException('stopped', 'AbortError'));

/** What was said lately about a moment. */
function known(camera: string, wall: number): Row[] | undefined {
  const now = Date.now();
  for (const answer of answers) {
    if (answer.camera !== camera || answer.from > wall) continue;
    const rows = answer.rows.filter((r) => Date.parse(r.end) > wall);
    const first = rows[0];
    if (first && now - answer.at < (answer.at - Date.parse(first.end) > settled ? remembers : fresh)) return rows;
  }
  return undefined;
}

/** Asks for what shows a moment and what follows, with all that is needed to play the first of it. */
async function ask(camera: string, wall: number): Promise<Row[]> {
  const answer = await get('/api/playback', { query: { camera, at: new Date(wall).toISOString() } });
  if (!answer.ok) throw wrong(answer.problem);
  const { clips: rows, first } = answer.value;
  if (first) keep(first.id, Promise.resolve(first));
  answers = [{ camera, from: Math.min(wall, ...rows.map((r) => Date.parse(r.start))), rows, at: Date.now() }, ...answers].slice(0, keptAnswers);
  return rows;
}

/** Clips that end after a moment, oldest first; not necessarily all. */
export async function clipsAfter(camera: string, wall: number): Promise<Row[]> {
  const rows = known(camera, wall);
  if (rows) return rows;
  const name = `${camera} ${wall}`;
  const job = asking.get(name) ?? ask(camera, wall).finally(() => asking.delete(name));
  asking.set(name, job);
  return job;
}

/** The clip that shows a moment. */
export async function clipAt(camera: string, wall: number): Promise<Row | undefined> {
  return (await clipsAfter(camera, wall)).find((c) => Date.parse(c.start) <= wall);
}

/** All clips of a camera that overlap a part of time, oldest first. */
export async function clipsWithin(camera: string, from: number, to: number): Promise<Row[]> {
  const query = { camera, from: new Date(from).toISOString(), to: new Date(to).toISOString(), limit: 10_000 };
  const answer = await get('/api/clips', { query });
  if (answer.ok) return answer.value.filter((c) => Date.parse(c.end) > from).sort((a, b) => a.start.localeCompare(b.start));
  throw wrong(answer.problem);
}

/** Remembers a clip for as long as it stays as it is. The preview of a clip is filed a little after its end. */
function keep(id: string, value: Promise<Playable>): Promise<Playable> {
  const entry: Kept = { until: Infinity, value };
  value.then(
    (clip) => (entry.until = clip.open ? Date.now() + fresh / 2 : clip.preview || Date.now() - Date.parse(clip.end) > settled ? Infinity : Date.now() + 5000),
    () => details.get(id) === entry && details.delete(id),
  );
  return bounded(details, id, entry, keptClips).value;
}

export function clipDetail(id: string): Promise<Playable> {
  const kept = details.get(id);
  if (kept && kept.until > Date.now()) return bounded(details, id, kept, keptClips).value;
  return keep(
    id,
    get('/api/clips/{id}', { path: { id } }).then((answer) => {
      if (answer.ok) return answer.value;
      throw wrong(answer.problem);
    }),
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
  answers = [];
  details.clear();
}

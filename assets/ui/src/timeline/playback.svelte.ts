/**
 * Plays sealed clips of one camera from any moment on: the key worker opens what is needed, part by part, and one clip
 * follows the other. Gaps are jumped, and said.
 */
import { get } from '../api/client';
import type { Clip, ClipRow } from '../api/types';
import { duration } from '../controls/format';
import { say } from '../controls/toasts.svelte';
import { MediaBuffer, playable, unplayable } from '../live/source';
import type { ClipInfo } from '../vault/clip';
import { KeyError, keys } from '../vault/keys.svelte';
import { firstPart, Placement } from './placement';

export type Status = 'idle' | 'loading' | 'ready' | 'locked' | 'end' | 'trouble';

/** Seconds to have in the buffer ahead of the picture, at single speed. */
const ahead = 20;
/** Bytes to open at once after the first part. */
const batchBytes = 768 * 1024;
const dayMilliseconds = 86_400_000;

/** What is played of a clip: its index. */
export type Playable = Pick<Clip, 'id' | 'vault' | 'start' | 'end' | 'bytes' | 'mime' | 'header_bytes' | 'init_bytes' | 'complete' | 'open' | 'torn' | 'parts'>;

/** Where clips come from: the box, or a link that somebody gave out. */
export interface ClipSource {
  /** Clips that end after a moment, oldest first; not necessarily all. */
  list(wall: number, signal: AbortSignal): Promise<Pick<ClipRow, 'id' | 'start' | 'end'>[]>;
  detail(id: string, signal: AbortSignal): Promise<Playable>;
  read(clip: ClipInfo, from: number, to: number, signal: AbortSignal): Promise<{ bytes: ArrayBuffer; verified: boolean }>;
}

/** The clips of a camera, opened by the vault. */
export function cameraClips(camera: string): ClipSource {
  return {
    async list(wall, signal) {
      const query = { camera, from: new Date(wall).toISOString(), to: new Date(wall + dayMilliseconds).toISOString(), limit: 50 };
      const answer = await get('/api/clips', { query, signal });
      if (!answer.ok) throw new Error(answer.problem?.detail ?? 'Stopped.');
      return answer.value.filter((c) => Date.parse(c.end) > wall).sort((a, b) => a.start.localeCompare(b.start));
    },
    async detail(id, signal) {
      const answer = await get('/api/clips/{id}', { path: { id }, signal });
      if (!answer.ok) throw new Error(answer.problem?.detail ?? 'Stopped.');
      return answer.value;
    },
    read: (clip, from, to, signal) => keys.ask('read', { clip, from, to }, signal),
  };
}

export class Playback {
  status = $state<Status>('idle');
  /** What is wrong, in trouble. */
  message = $state('');
  /** The moment on the screen, in ms since 1970; while loading, the moment that was asked for. */
  position = $state<number>();
  playing = $state(false);
  /** The clip on the screen. */
  clip = $state<Playable>();
  /** Clips of which every byte up to the last has been checked. */
  verified = $state<string[]>([]);

  private rate = 1;
  private buffer: MediaBuffer | undefined;
  private placement: Placement | undefined;
  private job = new AbortController();
  private readonly known = new Map<string, Playable>();
  private readonly timer: ReturnType<typeof setInterval>;
  private moved = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly source: ClipSource,
  ) {
    this.timer = setInterval(() => this.look(), 100);
    video.onplaying = video.onplay = () => (this.playing = true);
    video.onpause = () => (this.playing = false);
  }

  close(): void {
    clearInterval(this.timer);
    this.stop();
    this.video.onplay = this.video.onplaying = this.video.onpause = null;
  }

  private stop(): void {
    this.job.abort();
    this.buffer?.close();
    this.buffer = undefined;
    this.placement = undefined;
  }

  /** Takes the picture off the screen until the vault is open again. */
  lock(): void {
    this.stop();
    this.status = 'locked';
  }

  set speed(rate: number) {
    this.rate = rate;
    this.video.playbackRate = rate;
    this.video.defaultPlaybackRate = rate;
  }

  toggle(): void {
    if (this.video.paused) void this.video.play().catch(() => undefined);
    else this.video.pause();
  }

  /** Shows the moment `wall`, or the first recorded one after it. */
  async seek(wall: number, play = true): Promise<void> {
    const target = this.placement?.mediaOf(wall);
    if (target !== undefined && this.status === 'ready' && this.isBuffered(target)) {
      this.video.currentTime = target;
      this.position = wall;
      if (play) void this.video.play().catch(() => undefined);
      return;
    }
    this.stop();
    const job = (this.job = new AbortController());
    this.status = 'loading';
    this.message = '';
    this.position = wall;
    this.moved = false;
    try {
      await this.run(wall, play, job.signal);
    } catch (error) {
      if (job.signal.aborted) return;
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    const failure = error instanceof KeyError ? error.failure : undefined;
    if (failure?.kind === 'locked') {
      this.status = 'locked';
      this.video.pause();
    } else {
      this.status = 'trouble';
      this.message = error instanceof Error ? error.message : String(error);
    }
  }

  private async run(wall: number, play: boolean, signal: AbortSignal): Promise<void> {
    let rows = await this.source.list(wall, signal);
    let row = rows.shift();
    if (!row) {
      this.status = 'end';
      return;
    }
    const begin = Date.parse(row.start);
    if (begin - wall > 2000) say(`Nothing was recorded for ${duration((begin - wall) / 1000)}. Playing from where it goes on.`);
    let from = Math.max(wall, begin);
    const placement = (this.placement = new Placement(begin));
    let first = true;
    while (row) {
      await this.play(row, from, placement, first && play, signal);
      first = false;
      from = 0;
      if (rows.length === 0) rows = (await this.source.list(Date.parse(row.end) - 1, signal)).filter((r) => r.id !== row?.id && r.start > (row?.start ?? ''));
      row = rows.shift();
    }
    await this.drained(signal);
    this.status = 'end';
  }

  private async detail(id: string, signal: AbortSignal): Promise<Playable> {
    const known = this.known.get(id);
    if (known) return known;
    const clip = await this.source.detail(id, signal);
    if (!clip.open) this.known.set(id, clip);
    // It may have been completed, or cut off, since it was put on the screen.
    if (this.clip?.id === id) this.clip = clip;
    return clip;
  }

  private async play(row: { id: string }, from: number, placement: Placement, play: boolean, signal: AbortSignal): Promise<void> {
    let clip = await this.detail(row.id, signal);
    if (!playable(clip.mime)) throw new Error(unplayable(clip.mime));
    const starting = this.buffer === undefined;
    const buffer = (this.buffer ??= new MediaBuffer(this.video, clip.mime));
    this.video.playbackRate = this.rate;

    let next = from > 0 ? firstPart(clip.parts, from) : 0;
    const [init, firstBytes] = await Promise.all([this.read(clip, 0, clip.init_bytes, signal), this.read(clip, ...this.extent(clip, next, next + 1), signal)]);
    const placed = placement.add(clip.id, Date.parse(clip.start), starting ? undefined : this.end());
    await buffer.begin(clip.mime, placed.media);
    await buffer.append(init);
    await this.feed(firstBytes, signal);
    next++;
    if (starting) this.show(from, placement, play);

    for (;;) {
      // The last part of a clip that is being written has no end yet.
      const known = clip.open ? clip.parts.length - 1 : clip.parts.length;
      while (next < known) {
        await this.room(signal);
        let until = next + 1;
        const begin = clip.parts[next]?.offset ?? 0;
        while (until < known && (clip.parts[until]?.offset ?? 0) - begin < batchBytes) until++;
        await this.feed(await this.read(clip, ...this.extent(clip, next, until), signal), signal);
        next = until;
      }
      if (!clip.open) return;
      await pause(1000, signal);
      clip = await this.detail(clip.id, signal);
    }
  }

  /** Plaintext bytes of parts [from, to). */
  private extent(clip: Playable, from: number, to: number): [number, number] {
    const begin = clip.parts[from]?.offset ?? clip.init_bytes;
    return [begin, clip.parts[to]?.offset ?? Number.MAX_SAFE_INTEGER];
  }

  private async read(clip: Playable, from: number, to: number, signal: AbortSignal): Promise<ArrayBuffer> {
    const info: ClipInfo = { id: clip.id, vault: clip.vault, bytes: clip.bytes, headerBytes: clip.header_bytes, complete: clip.complete };
    const { bytes, verified } = await this.source.read(info, from, to, signal);
    if (verified && !this.verified.includes(clip.id)) this.verified = [...this.verified, clip.id];
    return bytes;
  }

  private async feed(bytes: ArrayBuffer, signal: AbortSignal): Promise<void> {
    if (bytes.byteLength === 0) return;
    for (;;) {
      signal.throwIfAborted();
      try {
        await this.buffer?.append(bytes);
        break;
      } catch (error) {
        if (!(error instanceof DOMException) || error.name !== 'QuotaExceededError') throw error;
        // Full: make room behind the picture, and wait for it to move on.
        await this.buffer?.remove(0, Math.max(0, this.video.currentTime - 3));
        await pause(500, signal);
      }
    }
    const start = this.buffer?.buffered?.length ? this.buffer.buffered.start(0) : 0;
    if (this.video.currentTime - start > 90) await this.buffer?.remove(0, this.video.currentTime - 45);
  }

  private show(wall: number, placement: Placement, play: boolean): void {
    const ranges = this.buffer?.buffered;
    const target = placement.mediaOf(wall) ?? 0;
    const start = ranges?.length ? ranges.start(0) : 0;
    this.video.currentTime = Math.max(target, start);
    this.status = 'ready';
    this.moved = true;
    if (play) void this.video.play().catch(() => undefined);
  }

  private end(): number {
    const ranges = this.buffer?.buffered;
    return ranges?.length ? ranges.end(ranges.length - 1) : 0;
  }

  private isBuffered(media: number): boolean {
    const ranges = this.buffer?.buffered;
    for (let i = 0; ranges && i < ranges.length; i++) if (media >= ranges.start(i) && media < ranges.end(i) - 0.05) return true;
    return false;
  }

  private async room(signal: AbortSignal): Promise<void> {
    while (this.end() - this.video.currentTime > ahead * this.rate) await pause(250, signal);
  }

  private async drained(signal: AbortSignal): Promise<void> {
    while (this.end() - this.video.currentTime > 0.15) await pause(250, signal);
    this.video.pause();
  }

  /** Follows the picture: which moment it shows, and whether it stands before a hole. */
  private look(): void {
    const { video, placement, buffer } = this;
    if (!placement || !buffer || !this.moved) return;
    this.position = placement.wallOf(video.currentTime);
    const shown = placement.at(video.currentTime);
    if (shown && shown.id !== this.clip?.id) void this.detail(shown.id, this.job.signal).then((c) => (this.clip = c), () => undefined);
    const ranges = buffer.buffered;
    if (!ranges || video.paused || video.seeking) return;
    for (let i = 0; i < ranges.length; i++) {
      const start = ranges.start(i);
      if (video.currentTime >= start) continue;
      const at = i > 0 ? ranges.end(i - 1) : -Infinity;
      if (video.currentTime < at - 0.15) return;
      const skipped = start - video.currentTime;
      video.currentTime = start + 0.001;
      if (skipped > 2) say(`Skipped ${duration(skipped)} without recordings.`);
      return;
    }
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException('stopped', 'AbortError'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/**
 * Plays sealed clips of one camera from any moment on: the key worker opens what is needed, part by part, and one clip
 * follows the other. Alone it jumps over gaps and says so; led by a clock it shows what the clock says.
 */
import { say } from '../controls/toasts.svelte';
import { duration } from '../controls/format';
import { m } from '../i18n/m';
import { faultText } from '../i18n/said';
import { MediaBuffer, playable, unplayable } from '../live/source';
import { picturePart, readInit, readParts, videoOnly, type Track } from '../mp4/fragment';
import type { ClipInfo } from '../vault/clip';
import { KeyError, keys } from '../vault/keys.svelte';
import { clipDetail, clipsAfter, extent, infoOf, type Playable, type Row } from './clips';
import { chase, jumpBeyond } from './clock';
import { videoCodec } from './decode';
import { keyFrame } from './keyframe';
import { firstPart, Placement, type Placed } from './placement';

export type { Playable } from './clips';

export type Status = 'idle' | 'loading' | 'ready' | 'locked' | 'end' | 'trouble';

/** Seconds to have in the buffer ahead of the picture, at single speed. */
const ahead = 20;
/** A moment of a picture is a little behind its beginning, in seconds, where rounding does no harm. */
const past = 0.002;
/** Bytes to open at once after the first part. */
const batchBytes = 768 * 1024;
/** Key frames to open at the same time, where there is no time for the others. */
const thinBatch = 4;

/** Where clips come from: the box, or a link that somebody gave out. */
export interface ClipSource {
  /** Clips that end after a moment, oldest first; not necessarily all. */
  list(wall: number, signal: AbortSignal): Promise<Row[]>;
  detail(id: string, signal: AbortSignal): Promise<Playable>;
  read(clip: ClipInfo, from: number, to: number, signal: AbortSignal): Promise<{ bytes: ArrayBuffer; verified: boolean }>;
}

/** The clips of a camera, opened by the vault. */
export function cameraClips(camera: string): ClipSource {
  return {
    list: (wall) => clipsAfter(camera, wall),
    detail: (id) => clipDetail(id),
    read: (clip, from, to, signal) => keys.ask('read', { clip, from, to }, signal),
  };
}

/** What a led player has for a moment. */
export type Has = { state: 'picture' } | { state: 'wait' } | { state: 'gap'; until: number } | { state: 'end' };

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
  /** Led: no picture belongs to the moment of the clock, so that none is to be seen. */
  blank = $state(false);

  private rate = 1;
  /** Key frames only. */
  private thin = false;
  private buffer: MediaBuffer | undefined;
  private placement: Placement | undefined;
  private job = new AbortController();
  /** Everything that is recorded was put into the buffer. */
  private done = false;
  /** Times of the pictures in the buffer, on the player's clock, in order. */
  private frames: number[] = [];
  private readonly timer: ReturnType<typeof setInterval>;
  private moved = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly source: ClipSource,
    private readonly led = false,
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
    this.frames = [];
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

  /** Shows the moment `wall`, or the first recorded one after it; of key frames only where `thin`. */
  async seek(wall: number, play = true, thin = false): Promise<void> {
    performance.mark('cardea:seek', { detail: { wall } });
    const target = this.placement?.mediaOf(wall);
    if (target !== undefined && this.status === 'ready' && this.thin === thin && this.isBuffered(target)) {
      this.video.currentTime = target;
      this.position = wall;
      this.markPicture(target);
      if (play) void this.video.play().catch(() => undefined);
      return;
    }
    this.stop();
    const job = (this.job = new AbortController());
    this.thin = thin;
    this.done = false;
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

  /** For whoever measures: from the wish to the first picture. */
  private markPicture(target: number): void {
    if (!('requestVideoFrameCallback' in this.video)) return;
    const job = this.job;
    this.video.requestVideoFrameCallback((_, { mediaTime }) => {
      if (job !== this.job) return;
      // The last one from before may still come.
      if (Math.abs(mediaTime - target) > 1) return this.markPicture(target);
      performance.mark('cardea:picture');
      performance.measure('cardea:seek-to-picture', 'cardea:seek', 'cardea:picture');
    });
  }

  private fail(error: unknown): void {
    const failure = error instanceof KeyError ? error.failure : undefined;
    if (failure?.kind === 'locked') {
      this.status = 'locked';
      this.video.pause();
    } else {
      this.status = 'trouble';
      this.message = faultText(error);
    }
  }

  private async run(wall: number, play: boolean, signal: AbortSignal): Promise<void> {
    let rows = [...(await this.source.list(wall, signal))];
    signal.throwIfAborted();
    performance.mark('cardea:listed');
    let row = rows.shift();
    if (!row) {
      this.done = true;
      this.status = 'end';
      return;
    }
    const begin = Date.parse(row.start);
    if (!this.led && begin - wall > 2000) say(m.timeline.goesOn(duration((begin - wall) / 1000)));
    let from = Math.max(wall, begin);
    const placement = (this.placement = new Placement(begin));
    let first = true;
    while (row) {
      await this.play(row, from, placement, first && play, signal);
      first = false;
      from = 0;
      if (rows.length === 0) rows = (await this.source.list(Date.parse(row.end) - 1, signal)).filter((r) => r.id !== row?.id && r.start > (row?.start ?? ''));
      signal.throwIfAborted();
      row = rows.shift();
    }
    this.done = true;
    if (this.led) return;
    await this.drained(signal);
    this.status = 'end';
  }

  private async detail(id: string, signal: AbortSignal): Promise<Playable> {
    const clip = await this.source.detail(id, signal);
    signal.throwIfAborted();
    // It may have been completed, or cut off, since it was put on the screen.
    if (this.clip?.id === id && this.clip !== clip) this.clip = clip;
    return clip;
  }

  private async play(row: Row, from: number, placement: Placement, play: boolean, signal: AbortSignal): Promise<void> {
    let clip = await this.detail(row.id, signal);
    const mime = this.thin ? `video/mp4; codecs="${videoCodec(clip.mime)}"` : clip.mime;
    if (!playable(mime)) throw new Error(unplayable(mime));
    const starting = this.buffer === undefined;
    if (starting) performance.mark('cardea:indexed');
    const buffer = (this.buffer ??= new MediaBuffer(this.video, mime));
    this.video.playbackRate = this.rate;

    // Before anything of it is read: until then, what lies before it is known to be a gap.
    const placed = placement.add(clip.id, Date.parse(clip.start), starting ? undefined : this.end());
    let next = from > 0 ? firstPart(clip.parts, from) : 0;
    // What has no end yet cannot be read whole.
    while (clip.open && next >= clip.parts.length - 1) {
      await pause(300, signal);
      clip = await this.detail(clip.id, signal);
      next = from > 0 ? firstPart(clip.parts, from) : 0;
    }
    // From the key frame through the part that shows the moment, at once.
    const last = clip.parts.length - (clip.open ? 2 : 1);
    const shows = Math.max(next, Math.min(last, clip.parts.findLastIndex((p) => Date.parse(p.start) <= from)));
    const [init, firstBytes] = await Promise.all([this.read(clip, 0, clip.init_bytes, signal), this.thin ? undefined : this.read(clip, ...extent(clip, next, shows + 1), signal)]);
    // The player may have gone on to another moment.
    signal.throwIfAborted();
    if (starting) performance.mark('cardea:opened');
    const tracks = readInit(new Uint8Array(init));
    const video = tracks.find((t) => t.kind === 'video');
    await buffer.begin(mime, placed.media);
    signal.throwIfAborted();
    await buffer.append(this.thin ? videoOnly(new Uint8Array(init)) : init);
    if (this.thin) {
      if (!video) throw new Error(m.timeline.noPicture);
      next = await this.thinly(clip, video, next, next + 1, placed, signal);
    } else {
      await this.feed(firstBytes ?? new ArrayBuffer(), signal, placed, video);
      next = shows + 1;
    }
    if (starting) {
      performance.mark('cardea:appended');
      this.show(from, placement, play);
    }

    for (;;) {
      // The last part of a clip that is being written has no end yet.
      const known = clip.open ? clip.parts.length - 1 : clip.parts.length;
      while (next < known) {
        await this.room(signal);
        if (this.thin && video) {
          next = await this.thinly(clip, video, next, known, placed, signal);
          continue;
        }
        let until = next + 1;
        const begin = clip.parts[next]?.offset ?? 0;
        while (until < known && (clip.parts[until]?.offset ?? 0) - begin < batchBytes) until++;
        await this.feed(await this.read(clip, ...extent(clip, next, until), signal), signal, placed, video);
        next = until;
      }
      if (!clip.open) return;
      await pause(1000, signal);
      clip = await this.detail(clip.id, signal);
    }
  }

  /** Puts the key frames of some parts into the buffer, each shown until the next one; gives the part to go on with. */
  private async thinly(clip: Playable, video: Track, from: number, known: number, placed: Placed, signal: AbortSignal): Promise<number> {
    const chosen: number[] = [];
    let next = from;
    for (; next < known && chosen.length < thinBatch; next++) if (clip.parts[next]?.key) chosen.push(next);
    while (next < known && !clip.parts[next]?.key) next++;
    const pictures = await Promise.all(
      chosen.map(async (part) => {
        const found = await keyFrame((a, b) => this.read(clip, a, b, signal), ...extent(clip, part, part + 1), video.id);
        return found && { part, ...found };
      }),
    );
    for (const [i, picture] of pictures.entries()) {
      if (!picture) continue;
      const after = chosen[i + 1] ?? next;
      const end = Date.parse(clip.parts[after]?.start ?? clip.end);
      const seconds = (end - Date.parse(clip.parts[picture.part]?.start ?? clip.start)) / 1000;
      await this.feed(picturePart(video.id, picture.time, Math.max(0.04, seconds) * video.scale, picture.bytes).buffer, signal, placed, video);
    }
    return next;
  }

  private async read(clip: Playable, from: number, to: number, signal: AbortSignal): Promise<ArrayBuffer> {
    const { bytes, verified } = await this.source.read(infoOf(clip), from, to, signal);
    if (verified && !this.verified.includes(clip.id)) this.verified = [...this.verified, clip.id];
    return bytes;
  }

  private async feed(bytes: ArrayBuffer, signal: AbortSignal, placed: Placed, video: Track | undefined): Promise<void> {
    if (bytes.byteLength === 0) return;
    signal.throwIfAborted(); // what was opened for another moment is not of this one
    for (const part of readParts(new Uint8Array(bytes))) {
      for (const run of part.runs) if (run.track === video?.id) for (const s of run.samples) this.frames.push(placed.media + (s.dts + s.cts) / video.scale);
    }
    this.frames.sort((a, b) => a - b); // pictures may be decoded in another order than they are shown
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
    const keep = 45 * Math.max(1, this.rate / 2);
    if (this.video.currentTime - start > 2 * keep) {
      await this.buffer?.remove(0, this.video.currentTime - keep);
      this.frames = this.frames.filter((f) => f > this.video.currentTime - keep - 5);
    }
  }

  private show(wall: number, placement: Placement, play: boolean): void {
    const ranges = this.buffer?.buffered;
    const target = placement.mediaOf(wall) ?? 0;
    const start = ranges?.length ? ranges.start(0) : 0;
    this.video.currentTime = Math.max(target, start);
    this.markPicture(this.video.currentTime);
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
    while (this.end() - this.video.currentTime > ahead * Math.max(1, this.rate)) await pause(250, signal);
  }

  private async drained(signal: AbortSignal): Promise<void> {
    while (this.end() - this.video.currentTime > 0.15) await pause(250, signal);
    this.video.pause();
  }

  /**
   * Led: shows what belongs to the moment of the clock, and says whether there is something. The one in the lead is not
   * hurried, since the clock follows it.
   */
  follow(wall: number, running: boolean, rate: number, leads: boolean): Has {
    const { video, placement } = this;
    if (this.status === 'end') return this.has({ state: 'end' });
    if (this.status !== 'ready' || !placement) return { state: this.status === 'loading' ? 'wait' : 'end' };
    const target = placement.mediaOf(wall) ?? 0;
    const ranges = this.buffer?.buffered;
    const stalled = !video.seeking && video.readyState < 3;
    for (let i = 0; ranges && i < ranges.length; i++) {
      const [start, end] = [ranges.start(i), ranges.end(i)];
      // A player stops a little before the end of what it has.
      const ended = stalled && end - video.currentTime < 0.3 && video.currentTime < end;
      if (target >= end - (ended ? 0.3 : 0.02)) continue;
      if (target < start - 0.05) {
        // A little hole is nothing to talk about.
        if (start - target < 0.3) break;
        video.pause();
        return this.has({ state: 'gap', until: placement.wallOf(start) ?? wall });
      }
      this.has({ state: 'picture' });
      const behind = target - video.currentTime;
      if (!video.seeking && Math.abs(behind) > (running ? jumpBeyond(rate) : 0.004)) video.currentTime = Math.max(target, start);
      const speed = leads ? rate : chase(rate, behind);
      if (Math.abs(video.playbackRate - speed) > 0.005) video.playbackRate = speed;
      if (running && video.paused) void video.play().catch(() => undefined);
      if (!running && !video.paused) {
        video.pause();
        // The screen may be a picture behind. After a jump to this very moment it shows what steps are counted from.
        video.currentTime = Math.max(target, start);
      }
      return { state: video.seeking || (running && video.readyState < 3) ? 'wait' : 'picture' };
    }
    if (!this.done) {
      const next = placement.clips.at(-1);
      if (next && next.wall > wall + 300) return this.has({ state: 'gap', until: next.wall });
      return { state: 'wait' };
    }
    video.pause();
    return this.has({ state: 'end' });
  }

  private has(what: Has): Has {
    const blank = what.state === 'gap' || what.state === 'end';
    if (blank !== this.blank) this.blank = blank;
    return what;
  }

  /** The moment of the picture on the screen; undefined where there is none that moves. */
  shown(): number | undefined {
    const { video, placement } = this;
    if (this.status !== 'ready' || !placement || this.blank || video.paused || video.seeking || video.readyState < 3) return undefined;
    return placement.wallOf(video.currentTime);
  }

  /** The moment of the next picture, or the one before; undefined where that is not in the buffer, or nothing follows. */
  neighbour(direction: 1 | -1): number | undefined {
    const here = this.video.currentTime;
    const frames = this.frames;
    // The picture on the screen is the last one that began.
    const at = frames.findLastIndex((f) => f <= here + 0.00001);
    const frame = frames[at + direction];
    const [last, previous] = [frames[at], frames[at - 1]];
    if (frame === undefined && direction > 0 && !this.done && last !== undefined && previous !== undefined)
      return this.placement?.wallOf(2 * last - previous + past); // it is on its way, as far from the last one as that from the one before
    return frame === undefined || (direction < 0 && !this.isBuffered(frame + past)) ? undefined : this.placement?.wallOf(frame + past);
  }

  /** Follows the picture: which moment it shows, and whether it stands before a hole. */
  private look(): void {
    const { video, placement, buffer } = this;
    if (!placement || !buffer || !this.moved) return;
    this.position = placement.wallOf(video.currentTime);
    const shown = placement.at(video.currentTime);
    if (shown && shown.id !== this.clip?.id) void this.detail(shown.id, this.job.signal).then((c) => (this.clip = c), () => undefined);
    const ranges = buffer.buffered;
    if (this.led || !ranges || video.paused || video.seeking) return;
    for (let i = 0; i < ranges.length; i++) {
      const start = ranges.start(i);
      if (video.currentTime >= start) continue;
      const at = i > 0 ? ranges.end(i - 1) : -Infinity;
      if (video.currentTime < at - 0.15) return;
      const skipped = start - video.currentTime;
      video.currentTime = start + 0.001;
      if (skipped > 2) say(m.timeline.skipped(duration(skipped)));
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

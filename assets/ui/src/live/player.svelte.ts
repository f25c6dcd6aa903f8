/** One camera's live picture in one video element, near the live edge, honest about its age. */
import type { Phase } from '../api/types';
import { live, type Sink } from './socket';
import { MediaBuffer, playable, unplayable } from './source';

/** Without a new picture for this long, what is on the screen is not called live; longer only for a camera that sends one
 * now and then. With what is buffered and the timer, it is said within 2 s of the last picture. */
const staleMilliseconds = 1200;
/** Further behind the newest picture than this many seconds, the player jumps. */
const jumpBehind = 1.2;
/** Further behind than this, it plays a little faster until it has caught up. */
const hurryBehind = 0.35;

export class LivePlayer implements Sink {
  phase = $state<Phase>('connecting');
  detail = $state('');
  online = $state(true);
  /** Set where the stream cannot be played here. */
  trouble = $state('');
  /** Whether a picture was shown since the stream began. */
  shown = $state(false);
  /** Seconds since the last new picture, 0 while it is fresh. */
  stale = $state(0);

  private buffer: MediaBuffer | undefined;
  private mime = '';
  private waitForKey = true;
  private lastPicture = 0;
  /** The usual time between two pictures, in ms. */
  private interval = 0;
  private readonly end: () => void;
  private readonly timer: ReturnType<typeof setInterval>;
  private readonly began = performance.now();
  private closed = false;

  constructor(
    private readonly video: HTMLVideoElement,
    camera: string,
  ) {
    this.end = live.subscribe(camera, this);
    this.timer = setInterval(() => this.look(), 250);
    this.watch();
  }

  /** Notes each picture that really reaches the screen; arriving bytes prove nothing. */
  private watch(): void {
    if ('requestVideoFrameCallback' in this.video) {
      const next = () => {
        if (this.closed) return;
        this.fresh();
        this.video.requestVideoFrameCallback(next);
      };
      this.video.requestVideoFrameCallback(next);
    } else {
      (this.video as HTMLVideoElement).addEventListener('timeupdate', () => this.fresh());
    }
  }

  private fresh(): void {
    const now = performance.now();
    if (this.shown) this.interval += (Math.min(now - this.lastPicture, 10_000) - this.interval) * 0.1;
    this.lastPicture = now;
    this.shown = true;
    this.stale = 0;
  }

  init(mime: string): void {
    this.mime = mime;
    this.buffer?.close();
    this.buffer = undefined;
    this.waitForKey = true;
    this.trouble = playable(mime) ? '' : unplayable(mime);
  }

  bytes(kind: 'init' | 'key' | 'part', data: Uint8Array<ArrayBuffer>): void {
    if (this.trouble || !this.mime) return;
    if (kind === 'init') {
      this.buffer?.close();
      this.buffer = new MediaBuffer(this.video, this.mime);
      this.waitForKey = true;
    } else if (kind === 'key') this.waitForKey = false;
    if (!this.buffer || (kind === 'part' && this.waitForKey)) return;
    const buffer = this.buffer;
    // A tab that was asleep has a queue; the next key frame starts afresh.
    if (buffer.pending > 120) this.waitForKey = true;
    buffer.append(data).then(
      () => this.follow(buffer),
      (error: unknown) => {
        if (error instanceof DOMException && error.name === 'AbortError') return;
        if (buffer === this.buffer) this.restart();
      },
    );
  }

  /** Throws away what cannot be decoded and asks anew. */
  private restart(): void {
    this.buffer?.close();
    this.buffer = undefined;
    this.waitForKey = true;
    this.onRestart?.();
  }

  /** Called where the subscription should be made anew. */
  onRestart: (() => void) | undefined;

  /** Keeps the picture near the newest one. */
  private follow(buffer: MediaBuffer): void {
    if (buffer !== this.buffer) return;
    const ranges = buffer.buffered;
    if (!ranges?.length) return;
    const video = this.video;
    const begin = ranges.start(ranges.length - 1);
    const end = ranges.end(ranges.length - 1);
    const behind = end - video.currentTime;
    if (video.currentTime < begin || behind > jumpBehind) video.currentTime = Math.max(begin, end - 0.12);
    else video.playbackRate = behind > hurryBehind ? 1.1 : 1;
    if (video.paused && !document.hidden) void video.play().catch(() => undefined);
    const first = ranges.start(0);
    if (video.currentTime - first > 20 && buffer.pending === 0) buffer.remove(first, video.currentTime - 8).catch(() => undefined);
  }

  private look(): void {
    const since = performance.now() - (this.shown ? this.lastPicture : this.began);
    this.stale = this.shown && since > Math.max(staleMilliseconds, 2.5 * this.interval) ? Math.floor(since / 1000) : 0;
  }

  state(phase: Phase, detail: string): void {
    this.phase = phase;
    this.detail = detail;
  }

  error(detail: string): void {
    this.trouble = detail;
  }

  connected(yes: boolean): void {
    this.online = yes;
    if (yes) this.trouble = '';
    else this.waitForKey = true;
  }

  close(): void {
    this.closed = true;
    clearInterval(this.timer);
    this.end();
    this.buffer?.close();
  }
}

/** One camera's live picture in one video element, near the live edge, honest about its age. */
import type { Camera, Phase } from '../api/types';
import { Freshness } from './freshness';
import { carriesSound, choose, overWebRTC, Strain, type Wish } from './quality';
import { live, type Sink, type State } from './socket';
import { MediaBuffer, playable, unplayable } from './source';
import { Connection, possible } from './whep';

/** Further behind the newest picture than this many seconds, the player jumps. */
const jumpBehind = 1.2;
/** Further behind than this, it plays a little faster until it has caught up. */
const hurryBehind = 0.35;
/** How long the socket has for a first picture before WebRTC begins, in ms: keys, connection and change would hold that picture up. */
const headStart = 600;
/** How long the smaller stream is shown after the larger one turned out to be too much. */
const restMilliseconds = 60_000;
/** How long a stream that can be shown is waited for while the box sends one that cannot. */
const hopeMilliseconds = 6000;

/** What the person looks at. */
export interface View {
  wish: Wish;
  /** Alone, or on the full screen. */
  large: boolean;
  /** Width on the screen in its own pixels. */
  width: number;
  /** How many pictures are on the screen. */
  pictures: number;
  hears: boolean;
}

export class LivePlayer implements Sink {
  phase = $state<Phase>('connecting');
  detail = $state('');
  online = $state(true);
  /** Set where the stream cannot be played here. */
  trouble = $state('');
  /** Whether a picture is on the screen. */
  shown = $state(false);
  /** Whether pictures have followed each other since the stream began. */
  moving = $state(false);
  /** Seconds since the last new picture, 0 while it is fresh. */
  stale = $state(0);
  /** When the last picture was new, while it is not any more; ms since 1970. */
  since = $state(0);
  /** Which stream is shown, and by which way. */
  quality = $state<'main' | 'sub'>('main');
  by = $state<'webrtc' | 'socket'>('socket');

  private camera: Camera;
  private view: View;
  private buffer: MediaBuffer | undefined;
  private connection: Connection | undefined;
  private coming: Connection | undefined;
  private mime = '';
  private fits = false;
  /** Whether the main stream, when it was last seen, could be shown here. */
  private plays = true;
  private parts = 0;
  private waitForKey = true;
  private asked = '';
  /** What the socket was asked for; empty while it brings the state only. */
  private subscribed = '';
  private resting = 0;
  /** WebRTC was tried for this camera and the box or the way did not have it. */
  private refused = false;
  private refusals = 0;
  private readonly fresh = new Freshness();
  private strain = new Strain();
  private end: (() => void) | undefined;
  private readonly timers: ReturnType<typeof setInterval>[];
  private retry: ReturnType<typeof setTimeout> | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;
  private hoping: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  private readonly timeupdate = () => this.picture();

  constructor(
    private readonly video: HTMLVideoElement,
    /** Lies behind the video. */
    private readonly still: HTMLCanvasElement,
    camera: Camera,
    view: View,
  ) {
    this.camera = camera;
    this.view = view;
    this.timers = [setInterval(() => this.look(), 200), setInterval(() => void this.measure(), 2000)];
    this.watch();
    this.ask();
  }

  /** Says what changed about the camera or the look at it. */
  set(camera: Camera, view: View): void {
    this.camera = camera;
    this.view = view;
    this.ask();
  }

  private get sound(): string {
    return this.camera.audio ? (this.camera.codecs.find((c) => c !== 'h264' && c !== 'hevc') ?? '') : '';
  }

  /** Asks the box for what the view is worth, if that is not what it gives already. */
  private ask(): void {
    if (this.closed) return;
    const { camera, view } = this;
    const { sub } = camera;
    const quality = choose({ ...view, sub: sub !== null, subWidth: sub?.width ?? 0, strained: performance.now() < this.resting, plays: this.plays, subCodec: sub?.codec ?? '' });
    const codec = camera.codecs.find((c) => c === 'h264' || c === 'hevc') ?? '';
    const direct = overWebRTC({ possible: !this.refused && (this.connection !== undefined || this.coming !== undefined || possible()), pictures: view.pictures, large: view.large, codec, subCodec: sub?.codec ?? '', quality, sound: this.sound, hears: view.hears });
    const silent = !(view.hears && this.sound);
    const asked = direct ? `webrtc ${quality}` : `socket ${quality} ${silent}`;
    if (asked === this.asked) return;
    this.asked = asked;
    clearTimeout(this.again);
    this.strain = new Strain();
    // What is shown goes on until the new one is there. Where nothing is shown yet, the socket is the quicker way to a first picture.
    if (direct) {
      if (!this.shown && !this.buffer) this.subscribe(quality, silent);
      else if (!this.end) this.subscribe(undefined, true);
      if (this.shown) this.connect(quality);
      else this.again = setTimeout(() => this.connect(quality), headStart);
      return;
    }
    this.coming?.close();
    this.coming = undefined;
    if (this.subscribed !== `${quality} ${silent}`) this.subscribe(quality, silent);
  }

  private subscribe(quality: 'main' | 'sub' | 'auto' | undefined, silent: boolean): void {
    this.end?.();
    this.subscribed = quality ? `${quality} ${silent}` : '';
    this.waitForKey = true;
    this.end = live.subscribe({ camera: this.camera.id, quality, silent }, this);
  }

  private connect(quality: string): void {
    this.coming?.close();
    const coming = new Connection(
      this.camera.id,
      (stream) => {
        this.hold();
        this.coming = undefined;
        this.connection?.close();
        this.connection = coming;
        this.buffer?.close();
        this.buffer = undefined;
        this.subscribe(undefined, true); // just the state from now on
        this.strain = new Strain();
        this.by = 'webrtc';
        this.quality = quality === 'sub' ? 'sub' : 'main';
        this.video.srcObject = stream;
        this.play();
      },
      (why) => {
        if (this.coming === coming) this.coming = undefined;
        if (this.connection === coming) this.connection = undefined;
        this.asked = '';
        if (why === 'lost') this.refuseFor(10_000);
        else this.refuseFor(Math.min(30_000 * 2 ** this.refusals++, 600_000));
        this.ask();
      },
    );
    this.coming = coming;
    void coming.open(quality);
  }

  /** Keeps what is on the screen behind the video, which shows nothing while it changes over. */
  private hold(): void {
    const { video, still } = this;
    if (video.readyState < 2 || !video.videoWidth) return;
    still.width = video.videoWidth;
    still.height = video.videoHeight;
    still.getContext('2d')?.drawImage(video, 0, 0);
  }

  /** A connection that broke may come back, and a camera that had no picture gets one; meanwhile the socket brings what there is. */
  private refuseFor(milliseconds: number): void {
    this.refused = true;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      this.refused = false;
      this.ask();
    }, milliseconds);
  }

  private play(): void {
    if (!document.hidden) void this.video.play().catch(() => undefined);
  }

  /** Notes each picture that really reaches the screen; arriving bytes prove nothing. */
  private watch(): void {
    if ('requestVideoFrameCallback' in this.video) {
      const next = () => {
        if (this.closed) return;
        this.picture();
        this.video.requestVideoFrameCallback(next);
      };
      this.video.requestVideoFrameCallback(next);
    } else (this.video as HTMLVideoElement).addEventListener('timeupdate', this.timeupdate);
  }

  private picture(): void {
    this.fresh.picture(performance.now());
    this.look();
  }

  private look(): void {
    const now = performance.now();
    const stale = this.fresh.stale(now);
    if (stale > 0 && this.stale === 0) this.since = this.fresh.since(now, Date.now());
    this.stale = stale;
    this.shown = this.fresh.shown;
    this.moving = this.fresh.moving;
  }

  /** Looks whether the way and this computer keep up with the main stream. */
  private async measure(): Promise<void> {
    if (this.quality !== 'main' || !this.camera.sub || this.view.wish !== 'auto') return;
    const seen = this.video.getVideoPlaybackQuality();
    const counted = this.connection ? await this.connection.counters() : { got: seen.totalVideoFrames - seen.droppedVideoFrames, lost: seen.droppedVideoFrames };
    if (!counted || !this.strain.take(counted.got, counted.lost)) return;
    this.resting = performance.now() + restMilliseconds;
    this.ask();
    this.again = setTimeout(() => this.ask(), restMilliseconds + 100);
  }

  init(mime: string, quality: 'main' | 'sub', age: number): void {
    this.mime = mime;
    this.quality = quality;
    this.fresh.age = age;
    this.parts = 0;
    this.waitForKey = true;
    this.fits = playable(mime);
    if (quality === 'main' && this.plays !== this.fits) {
      this.plays = this.fits;
      this.ask();
    }
    clearTimeout(this.hoping);
    const say = () => (this.trouble = this.fits ? '' : unplayable(mime));
    // Who asked for the smaller stream may get the larger one first, and for good where the smaller one does not come.
    if (this.fits || quality === 'sub' || !this.asked.includes('sub')) say();
    else this.hoping = setTimeout(say, hopeMilliseconds);
    if (!this.fits) {
      this.buffer?.close();
      this.buffer = undefined;
    }
  }

  bytes(kind: 'init' | 'key' | 'part', data: Uint8Array<ArrayBuffer>): void {
    if (!this.fits || !this.mime) return;
    if (kind === 'init') {
      this.hold();
      this.connection?.close();
      this.connection = undefined;
      this.buffer?.close();
      this.video.srcObject = null;
      this.by = 'socket';
      this.buffer = new MediaBuffer(this.video, this.mime);
      this.waitForKey = true;
    } else if (kind === 'key') this.waitForKey = false;
    if (!this.buffer || (kind === 'part' && this.waitForKey)) return;
    // The first part holds everything from before; whatever follows has just been captured.
    if (kind !== 'init' && ++this.parts === 2) this.fresh.age = 0;
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
    clearTimeout(this.again);
    this.again = setTimeout(() => {
      this.asked = this.subscribed = '';
      this.ask();
    }, 1000);
  }

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
    if (video.paused) this.play();
    const first = ranges.start(0);
    if (video.currentTime - first > 20 && buffer.pending === 0) buffer.remove(first, video.currentTime - 8).catch(() => undefined);
  }

  state({ phase, detail, age }: State): void {
    this.phase = phase;
    this.detail = detail;
    this.fresh.age = age;
    this.look();
  }

  error(detail: string): void {
    this.trouble = detail;
  }

  connected(yes: boolean): void {
    this.online = yes;
    if (yes) this.trouble = '';
    else this.waitForKey = true;
  }

  /** Whether sound would come by the way that is used. */
  get audible(): boolean {
    return this.by === 'socket' || carriesSound(this.sound);
  }

  close(): void {
    this.closed = true;
    this.timers.forEach(clearInterval);
    clearTimeout(this.again);
    clearTimeout(this.retry);
    clearTimeout(this.hoping);
    this.video.removeEventListener('timeupdate', this.timeupdate);
    this.hold();
    this.end?.();
    this.coming?.close();
    this.connection?.close();
    this.buffer?.close();
    this.video.srcObject = null;
  }
}

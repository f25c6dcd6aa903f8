/**
 * What pointers on the lanes mean: a tap chooses a moment; a drag moves the view, and lets it glide on; two fingers stretch
 * it; the head, or a finger that rests, scrubs. Positions are in CSS pixels from the left edge of the lanes.
 */
export interface Meaning {
  /** The view moves by so many pixels to the right. */
  pan(pixels: number): void;
  /** The view gets longer (above 1) or shorter around a place. */
  zoom(factor: number, x: number): void;
  /** A moment was chosen on a lane. */
  tap(x: number, lane: string): void;
  /** The pointer scrubs; `end` where it lets go. */
  scrub(x: number, lane: string, end: boolean): void;
  /** Whether the head, or a mark, is there to be taken. */
  grabs(x: number): boolean;
}

interface Finger {
  x: number;
  y: number;
}

/** A press shorter than this way, in pixels, is a tap. */
const slack = 6;
/** A finger that rests this long scrubs, in ms. */
const rest = 320;

export class Gestures {
  private readonly fingers = new Map<number, Finger>();
  private mode: 'none' | 'press' | 'pan' | 'pinch' | 'scrub' = 'none';
  private start: Finger = { x: 0, y: 0 };
  private lane = '';
  private speed = 0;
  private last = 0;
  private resting: ReturnType<typeof setTimeout> | undefined;
  private gliding = 0;

  constructor(
    private readonly meaning: Meaning,
    /** Whether the view may glide on after a drag. */
    private readonly glides: () => boolean,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Whether a finger or a pressed button is at it. */
  get busy(): boolean {
    return this.mode !== 'none';
  }

  get scrubbing(): boolean {
    return this.mode === 'scrub';
  }

  down(id: number, x: number, y: number, lane: string, touch: boolean): void {
    this.stopGliding();
    this.fingers.set(id, { x, y });
    clearTimeout(this.resting);
    if (this.fingers.size === 2) {
      if (this.mode === 'scrub') this.meaning.scrub(x, this.lane, true);
      this.mode = 'pinch';
      return;
    }
    if (this.fingers.size > 2) return;
    this.start = { x, y };
    this.lane = lane;
    this.speed = 0;
    this.last = this.now();
    if (this.meaning.grabs(x)) {
      this.mode = 'scrub';
      return;
    }
    this.mode = 'press';
    if (touch) {
      this.resting = setTimeout(() => {
        if (this.mode !== 'press') return;
        this.mode = 'scrub';
        this.meaning.scrub(this.fingers.get(id)?.x ?? x, this.lane, false);
      }, rest);
    }
  }

  move(id: number, x: number, y: number): void {
    const finger = this.fingers.get(id);
    if (!finger) return;
    const before = { ...finger };
    const [a, b] = [...this.fingers.values()];
    const spread = a && b ? Math.abs(a.x - b.x) : 0;
    finger.x = x;
    finger.y = y;
    if (this.mode === 'pinch' && a && b) {
      const now = Math.abs(a.x - b.x);
      const middle = (a.x + b.x) / 2;
      this.meaning.pan((x - before.x) / 2);
      // Fingers close to each other would stretch without measure.
      if (spread > 12 && now > 12) this.meaning.zoom(spread / now, middle);
      return;
    }
    if (this.mode === 'press' && Math.abs(x - this.start.x) > slack) {
      clearTimeout(this.resting);
      this.mode = 'pan';
      this.meaning.pan(x - this.start.x);
    } else if (this.mode === 'pan') {
      this.meaning.pan(x - before.x);
    } else if (this.mode === 'scrub') this.meaning.scrub(x, this.lane, false);
    const t = this.now();
    const passed = Math.max(1, t - this.last);
    this.speed = 0.6 * this.speed + 0.4 * ((x - before.x) / passed);
    this.last = t;
  }

  up(id: number, x: number, cancelled = false): void {
    if (!this.fingers.delete(id)) return;
    clearTimeout(this.resting);
    if (this.mode === 'pinch') {
      // The finger that stays neither chooses nor drags by accident.
      if (this.fingers.size === 0) this.mode = 'none';
      return;
    }
    const mode = this.mode;
    this.mode = 'none';
    if (mode === 'scrub') this.meaning.scrub(x, this.lane, true);
    else if (mode === 'press' && !cancelled) this.meaning.tap(x, this.lane);
    else if (mode === 'pan' && !cancelled && this.now() - this.last < 60 && this.glides()) this.glide();
  }

  private glide(): void {
    let before = this.now();
    const step = () => {
      const t = this.now();
      const passed = Math.min(50, t - before);
      before = t;
      this.speed *= Math.exp(-passed / 280);
      if (Math.abs(this.speed) < 0.02) {
        this.gliding = 0;
        return;
      }
      this.meaning.pan(this.speed * passed);
      this.gliding = requestAnimationFrame(step);
    };
    this.gliding = requestAnimationFrame(step);
  }

  stopGliding(): void {
    if (this.gliding) cancelAnimationFrame(this.gliding);
    this.gliding = 0;
  }

  close(): void {
    clearTimeout(this.resting);
    this.stopGliding();
  }
}

/** How much a turn of the wheel stretches the view. Browsers count in pixels, lines or pages. */
export function wheelFactor(delta: number, mode: number): number {
  const pixels = mode === 1 ? delta * 16 : mode === 2 ? delta * 400 : delta;
  return Math.exp(Math.min(240, Math.max(-240, pixels)) * 0.0022);
}

/**
 * The one clock that several players follow: a moment of the recordings that moves on at a speed, and stands still while
 * somebody has to be waited for.
 */
export class Clock {
  private base: number;
  private since: number;
  private going = false;
  private held = false;
  private speed = 1;

  /** `now` is any clock in ms that never goes back. */
  constructor(
    wall: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.base = wall;
    this.since = this.now();
  }

  /** The moment that is to be seen, in ms since 1970. */
  get time(): number {
    return this.base + (this.going && !this.held ? (this.now() - this.since) * this.speed : 0);
  }

  /** Whether it moves, or would if nobody had to be waited for. */
  get running(): boolean {
    return this.going;
  }

  get holding(): boolean {
    return this.held;
  }

  get rate(): number {
    return this.speed;
  }

  set(wall: number): void {
    this.base = wall;
    this.since = this.now();
  }

  run(going: boolean): void {
    this.set(this.time);
    this.going = going;
  }

  hold(held: boolean): void {
    if (held === this.held) return;
    this.set(this.time);
    this.held = held;
  }

  set rate(rate: number) {
    this.set(this.time);
    this.speed = rate;
  }
}

/** Browsers play no faster. */
const fastest = 16;

/** How fast a player runs to be where the clock is: a little faster or slower, which nobody sees or hears. */
export function chase(rate: number, behindSeconds: number): number {
  return Math.min(fastest, rate * (1 + Math.min(0.1, Math.max(-0.1, behindSeconds * 0.4))));
}

/** Beyond this many seconds, chasing would be seen: the player jumps. */
export function jumpBeyond(rate: number): number {
  return 0.45 * Math.max(1, rate);
}

/** Speeds to choose from. */
export const speeds = [0.25, 0.5, 1, 1.5, 2, 4, 8, 16] as const;

/** Pixels in a second that a modest machine decodes with ease: four times 1080p at 30. */
const budget = 4 * 1920 * 1080 * 30;

/** Whether to take key frames only, because all of them are more than can be decoded. */
export function keyFramesOnly(rate: number, streams: { width: number; height: number; fps: number }[]): boolean {
  if (rate <= 1) return false;
  const pixels = streams.reduce((n, s) => n + (s.width || 1920) * (s.height || 1080) * (s.fps || 25), 0);
  return rate > 4 || pixels * rate > budget;
}

/** How old the picture on the screen is. Nothing that is not new is called live. */

/** Without a new picture for this long, what is on the screen is not called live; longer only for a camera that sends one now and then.
 * With what is buffered and the timer, it is said within 2 s of the last picture. */
const staleMilliseconds = 1200;

export class Freshness {
  private newest = 0;
  /** The usual time between two pictures, in ms. */
  private interval = 0;
  private count = 0;
  /** What the box says about the age of what it sends, in seconds. */
  age = 0;

  /** A picture reached the screen. */
  picture(now: number): void {
    if (this.count > 0) this.interval += (Math.min(now - this.newest, 10_000) - this.interval) * 0.1;
    this.newest = now;
    this.count++;
  }

  /** Whether any picture was there. */
  get shown(): boolean {
    return this.count > 0;
  }

  /** Whether pictures follow each other. One alone may be the newest of a camera that has stopped. */
  get moving(): boolean {
    return this.count > 1;
  }

  /** Whole seconds since the last new picture, 0 while it is fresh. */
  stale(now: number): number {
    if (!this.shown) return 0;
    const since = now - this.newest;
    const here = since > Math.max(staleMilliseconds, 2.5 * this.interval) ? Math.max(1, Math.floor(since / 1000)) : 0;
    return Math.max(here, this.age);
  }

  /** When the picture on the screen was new, in ms since 1970. */
  since(now: number, wall: number): number {
    return wall - Math.max(now - this.newest, this.age * 1000);
  }
}

/** The span of time that a link shows. */

/** A moment in the form of a datetime-local field, to the second, in the time of this browser. */
export function toField(wall: number): string {
  const t = new Date(wall);
  return new Date(wall - t.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** The opposite; undefined where the field is not filled. */
export function fromField(text: string): number | undefined {
  const wall = new Date(text).getTime();
  return Number.isNaN(wall) ? undefined : wall;
}

/** So long around a moment, but not into the future. */
export function around(at: number, seconds: number, now: number): { from: number; to: number } {
  const to = Math.min(at + seconds * 500, now);
  return { from: to - seconds * 1000, to };
}

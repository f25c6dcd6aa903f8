/** Which part of time is shown on how many pixels. Times are ms since 1970 UTC. */
import type { Range } from './day';

/** The shortest and the longest part of time that can be shown. */
export const shortest = 10_000;
export const longest = 7 * 86_400_000;

export const lengthOf = (r: Range) => r.to - r.from;

/** The view moved and stretched so that it is allowed: neither too short nor too long, and inside the bounds where it fits. */
export function fit(view: Range, bounds: Range): Range {
  const length = Math.min(Math.max(lengthOf(view), shortest), longest, Math.max(lengthOf(bounds), shortest));
  const middle = (view.from + view.to) / 2;
  const from = Math.max(Math.min(middle - length / 2, bounds.to - length), bounds.from);
  return { from, to: from + length };
}

/** The view made longer (factor above 1) or shorter, so that the moment `at` stays where it is on the screen. */
export function zoom(view: Range, factor: number, at: number, bounds: Range): Range {
  const length = Math.min(Math.max(lengthOf(view) * factor, shortest), longest);
  const share = (at - view.from) / lengthOf(view);
  const from = at - share * length;
  return fit({ from, to: from + length }, bounds);
}

export function pan(view: Range, by: number, bounds: Range): Range {
  return fit({ from: view.from + by, to: view.to + by }, bounds);
}

/** A view of that length around a moment. */
export function around(at: number, length: number, bounds: Range): Range {
  return fit({ from: at - length / 2, to: at + length / 2 }, bounds);
}

export const xOf = (view: Range, width: number, t: number) => ((t - view.from) / lengthOf(view)) * width;
export const timeAt = (view: Range, width: number, x: number) => view.from + (x / width) * lengthOf(view);

/** Round numbers of ms, for steps of the keyboard. */
const rounds = [100, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000, 7_200_000];

/** How far an arrow key goes: about a sixtieth of what is shown. */
export function keyStep(view: Range): number {
  const want = lengthOf(view) / 60;
  return rounds.find((r) => r >= want * 0.7) ?? 10_800_000;
}

/** Ranges in order with those that are closer than `apart` joined: what is drawn on the same pixel need not be drawn twice. */
export function coalesce<T extends Range>(ranges: readonly T[], apart: number, same: (a: T, b: T) => boolean = () => true): T[] {
  const out: T[] = [];
  for (const r of ranges) {
    const last = out.at(-1);
    if (last && r.from - last.to <= apart && same(last, r)) {
      if (r.to > last.to) out[out.length - 1] = { ...last, to: r.to };
    } else out.push(r);
  }
  return out;
}

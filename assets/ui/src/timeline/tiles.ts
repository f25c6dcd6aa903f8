/** The pieces in which the timeline is fetched: aligned in time, so that panning and zooming find them again. */
import type { Range } from './day';
import { lengthOf } from './scale';

const hour = 3_600_000;
const day = 24 * hour;

/** How long a piece is, for closer and closer looks. */
export const levels = [7 * day, day, 3 * hour] as const;

/** The level whose pieces fit a view: a handful. */
export function levelOf(view: Range): number {
  const length = lengthOf(view);
  if (length > 2.5 * day) return 0;
  return length > 6 * hour ? 1 : 2;
}

export interface Tile extends Range {
  level: number;
  index: number;
}

export function tileOf(level: number, index: number): Tile {
  const length = levels[level] ?? day;
  return { level, index, from: index * length, to: (index + 1) * length };
}

/** The pieces of a level that cover a view. */
export function tilesFor(view: Range, level: number, limit: Range): Tile[] {
  const length = levels[level] ?? day;
  const out: Tile[] = [];
  const to = Math.min(view.to, limit.to);
  for (let i = Math.floor(Math.max(view.from, limit.from) / length); i * length < to; i++) out.push(tileOf(level, i));
  return out;
}

/**
 * The moments to label on the axis. They stand where the clock on the wall shows round times, also on days that have 23 or
 * 25 hours, and in time zones that are half an hour off.
 */
import { dayName, dayRange, dayAfter, type Range } from './day';
import { lengthOf } from './scale';

export interface Tick {
  t: number;
  /** How it is labelled: as a day, with hours and minutes, or with seconds, too; none are the small ones between. */
  label: 'day' | 'minute' | 'second' | 'none';
  /** The clock shows this time twice on this day, so that the time zone has to be said. */
  twice: boolean;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const steps = [second, 2 * second, 5 * second, 10 * second, 15 * second, 30 * second, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day];

/** Ticks for a view of that many pixels, labels at least `apart` from each other. */
export function ticks(view: Range, width: number, apart = 76): Tick[] {
  const perPixel = lengthOf(view) / Math.max(1, width);
  const step = steps.find((s) => s >= perPixel * apart) ?? day;
  const small = steps.findLast((s) => s < step && step % s === 0 && s >= perPixel * 9) ?? step;
  const out: Tick[] = [];
  for (let name = dayName(view.from); ; name = dayAfter(name, 1)) {
    const range = dayRange(name);
    if (range.from > view.to) return out;
    const labelled = new Set(step >= day ? [range.from] : moments(range, step, view));
    for (const t of small === step ? labelled : moments(range, small, view)) {
      if (t < view.from || t > view.to) continue;
      out.push({ t, label: !labelled.has(t) ? 'none' : t === range.from ? 'day' : step < minute ? 'second' : 'minute', twice: isTwice(t) });
    }
  }
}

function moments(range: Range, step: number, view: Range): number[] {
  const out: number[] = [];
  if (step <= hour / 2) {
    // Clocks are changed by half an hour or an hour, so that these stay round all day long.
    const first = range.from + Math.max(0, Math.ceil((view.from - range.from) / step)) * step;
    for (let t = first; t < Math.min(range.to, view.to + 1); t += step) out.push(t);
    return out;
  }
  for (let t = range.from; t < range.to; t += hour / 2) {
    const local = new Date(t);
    if (local.getMinutes() !== 0 || local.getHours() % (step / hour) !== 0) continue;
    // The night in which an hour comes twice has two moments where one is enough for the room there is.
    if (t - (out.at(-1) ?? -Infinity) >= step * 0.6) out.push(t);
  }
  // Labels stay away from the next day's.
  if (range.to - (out.at(-1) ?? range.from) < step * 0.6) out.pop();
  return out;
}

/** Whether the clock on the wall shows the time of this moment a second time within two hours. */
function isTwice(t: number): boolean {
  const here = new Date(t);
  const shows = (other: Date) => other.getHours() === here.getHours() && other.getMinutes() === here.getMinutes() && other.getDate() === here.getDate();
  return shows(new Date(t + hour)) || shows(new Date(t - hour)) || shows(new Date(t + hour / 2)) || shows(new Date(t - hour / 2));
}

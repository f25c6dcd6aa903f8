/** The order and the days of events, and which of them a filter lets through: as the box does it, for what comes live. */
import type { Event } from '../api/types';

export interface Filter {
  camera: string;
  /** Kinds of the API; none is all. */
  kinds: string[];
  /** A day in the browser's time zone as yyyy-mm-dd; '' is any. */
  day: string;
  show: 'all' | 'fresh' | 'kept';
}

export const everything: Filter = { camera: '', kinds: [], day: '', show: 'all' };

export const isEverything = (f: Filter) => !f.camera && f.kinds.length === 0 && !f.day && f.show === 'all';

/** The day of a filter as instants; a day of a clock change has 23 or 25 hours. */
export function bounds(day: string): { from: Date; to: Date } | undefined {
  const [y, mo, d] = day.split('-').map(Number);
  if (!y || !mo || !d) return undefined;
  return { from: new Date(y, mo - 1, d), to: new Date(y, mo - 1, d + 1) };
}

/** The parameters of GET /api/events. */
export function queryOf(f: Filter): Record<string, string> {
  const query: Record<string, string> = {};
  if (f.camera) query.camera = f.camera;
  if (f.kinds.length > 0) query.kind = f.kinds.join(',');
  if (f.show === 'fresh') query.reviewed = 'false';
  if (f.show === 'kept') query.keep = 'true';
  const day = bounds(f.day);
  if (day) {
    query.from = day.from.toISOString();
    query.to = day.to.toISOString();
  }
  return query;
}

export function passes(f: Filter, event: Event): boolean {
  const day = bounds(f.day);
  const start = Date.parse(event.start);
  return (
    (!f.camera || event.camera === f.camera) &&
    (f.kinds.length === 0 || f.kinds.includes(event.kind)) &&
    (f.show !== 'fresh' || !event.reviewed) &&
    (f.show !== 'kept' || event.keep) &&
    (!day || (start >= day.from.getTime() && start < day.to.getTime()))
  );
}

/** Newest first; of those that began at the same moment the one with the greater id, as the box lists them. */
export const order = (a: Event, b: Event) => Date.parse(b.start) - Date.parse(a.start) || (a.start < b.start ? 1 : a.start > b.start ? -1 : a.id < b.id ? 1 : -1);

/**
 * Puts an event that is new, or has changed, among those shown. What is on the screen stays there, even when the filter
 * would not let it through any more: it was just marked. `complete` says that nothing comes after the last one.
 */
export function merge(list: Event[], event: Event, f: Filter, complete: boolean): Event[] {
  const at = list.findIndex((e) => e.id === event.id);
  if (at >= 0) return list.with(at, event);
  const last = list.at(-1);
  if (!passes(f, event) || (!complete && last && order(last, event) < 0)) return list;
  return [...list, event].sort(order);
}

/** Events by the day on which they began, in the browser's time zone. */
export function days(list: Event[]): { day: string; start: Date; events: Event[] }[] {
  const all: { day: string; start: Date; events: Event[] }[] = [];
  for (const event of list) {
    const start = new Date(event.start);
    const day = start.toDateString();
    const last = all.at(-1);
    if (last?.day === day) last.events.push(event);
    else all.push({ day, start, events: [event] });
  }
  return all;
}

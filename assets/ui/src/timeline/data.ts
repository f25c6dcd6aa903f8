/** What a camera has in a part of time, ready to draw and to read out. */
import type { CameraLane } from '../api/types';
import { reasonText } from '../cameras/words';
import { lookUp, m } from '../i18n/m';
import { inWords } from '../i18n/said';
import type { Range } from './day';

export interface Span extends Range {
  kind: 'span';
}

export interface Gap extends Range {
  kind: 'gap';
  /** Why, in words. */
  why: string;
  /** It goes on now. */
  still: boolean;
}

/** How events are drawn: what moved, somebody at the door, trouble with a camera, and the rest. */
export type Family = 'motion' | 'person' | 'trouble' | 'other';

export interface Moment extends Range {
  kind: 'event';
  id: string;
  family: Family;
  what: string;
  still: boolean;
}

export interface Lane {
  spans: Span[];
  gaps: Gap[];
  events: Moment[];
}

export const nothing: Lane = { spans: [], gaps: [], events: [] };

const families: Record<string, Family> = {
  motion: 'motion',
  object: 'person',
  doorbell: 'person',
  tamper: 'trouble',
  'camera.offline': 'trouble',
  'camera.identity': 'trouble',
  'camera.anomaly': 'trouble',
  storage: 'trouble',
};

export function familyOf(kind: string): Family {
  return families[kind] ?? 'other';
}

export function readLane(lane: CameraLane, now: number): Lane {
  const ms = (t: string) => Date.parse(t);
  const until = (t: string | null | undefined) => (t ? ms(t) : now);
  return {
    spans: lane.spans.map((s) => ({ kind: 'span', from: ms(s.start), to: ms(s.end) })),
    gaps: lane.gaps.map((g) => ({
      kind: 'gap',
      from: ms(g.start),
      to: until(g.end),
      why: g.detail ? `${reasonText(g.reason)}: ${inWords(g.detail, g.said)}` : reasonText(g.reason),
      still: !g.end,
    })),
    events: lane.events.map((e) => ({
      kind: 'event',
      id: e.id,
      family: familyOf(e.kind),
      from: ms(e.start),
      to: until(e.end),
      still: !e.end,
      what: [lookUp(m.timeline.kinds, e.kind) ?? e.kind, ...(e.labels ?? [])].join(', '),
    })),
  };
}

/** Lanes that follow each other as one. What was cut by the border between two is whole again. */
export function joinLanes(lanes: Lane[]): Lane {
  const out: Lane = { spans: [], gaps: [], events: [] };
  const seen = new Set<string>();
  for (const lane of lanes) {
    for (const span of lane.spans) {
      const last = out.spans.at(-1);
      if (last && span.from - last.to < 1000) {
        if (span.to > last.to) out.spans[out.spans.length - 1] = { ...last, to: span.to };
      } else out.spans.push(span);
    }
    for (const gap of lane.gaps) {
      const last = out.gaps.at(-1);
      if (last && gap.from - last.to < 1000 && gap.why === last.why) {
        if (gap.to > last.to) out.gaps[out.gaps.length - 1] = { ...last, to: gap.to, still: gap.still };
      } else out.gaps.push(gap);
    }
    for (const event of lane.events) {
      if (seen.has(event.id)) continue;
      seen.add(event.id);
      out.events.push(event);
    }
  }
  return out;
}

/** The part of a lane that overlaps a range, cut to it. */
export function within(lane: Lane, range: Range): Lane {
  const cut = <T extends Range>(list: T[]) =>
    list.filter((r) => r.to > range.from && r.from < range.to).map((r) => ({ ...r, from: Math.max(r.from, range.from), to: Math.min(r.to, range.to) }));
  return { spans: cut(lane.spans), gaps: cut(lane.gaps), events: lane.events.filter((e) => e.to >= range.from && e.from < range.to) };
}

/** What is at a moment, with so many ms of tolerance: short gaps and events are narrow. */
export function whatIsAt(lane: Lane, t: number, reach = 0): Span | Gap | Moment | undefined {
  const near = (r: Range) => t >= r.from - reach && t <= r.to + reach;
  return lane.events.findLast(near) ?? lane.gaps.find(near) ?? lane.spans.find((s) => t >= s.from && t <= s.to);
}

/** Moments worth jumping to: where recording starts, and events. */
export function marks(lane: Lane): number[] {
  return [...lane.spans.map((s) => s.from), ...lane.events.map((e) => e.from)].sort((a, b) => a - b);
}

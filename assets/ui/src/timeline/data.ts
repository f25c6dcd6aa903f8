/** What a day holds, ready to draw and to read out. */
import type { Timeline } from '../api/types';
import { reasonText } from '../cameras/words';
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

export interface Moment extends Range {
  kind: 'event';
  id: string;
  what: string;
}

export interface Day {
  spans: Span[];
  gaps: Gap[];
  events: Moment[];
}

const kinds: Record<string, string> = {
  motion: 'Motion',
  object: 'Something was seen',
  doorbell: 'Doorbell',
  tamper: 'Tampering',
  storage: 'Storage',
  system: 'System',
  'camera.offline': 'Camera went offline',
  'camera.online': 'Camera came back',
  'camera.identity': 'Camera’s identity in doubt',
  'camera.anomaly': 'Something unusual',
};

export function readDay(timeline: Timeline, now: number): Day {
  const ms = (t: string) => Date.parse(t);
  const until = (t: string | null | undefined) => (t ? ms(t) : now);
  return {
    spans: timeline.spans.map((s) => ({ kind: 'span', from: ms(s.start), to: ms(s.end) })),
    gaps: timeline.gaps.map((g) => ({
      kind: 'gap',
      from: ms(g.start),
      to: until(g.end),
      why: g.detail ? `${reasonText(g.reason)}: ${g.detail}` : reasonText(g.reason),
      still: !g.end,
    })),
    events: timeline.events.map((e) => ({
      kind: 'event',
      id: e.id,
      from: ms(e.start),
      to: until(e.end),
      what: [kinds[e.kind] ?? e.kind, ...(e.labels ?? [])].join(', '),
    })),
  };
}

/** Moments worth jumping to: where recording starts, and events. */
export function marks(day: Day): number[] {
  return [...day.spans.map((s) => s.from), ...day.events.map((e) => e.from)].sort((a, b) => a - b);
}

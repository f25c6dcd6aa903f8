import { describe, expect, test } from 'vitest';
import { joinLanes, marks, readLane, whatIsAt, within, type Lane } from './data';
import { levelOf, tilesFor } from './tiles';

const at = (s: number) => new Date(s * 1000).toISOString();
const line = (from: number, to: number, more: object = {}) =>
  readLane({ camera: 'c', spans: [{ start: at(from), end: at(to) }], gaps: [], events: [], ...more }, to * 1000);

describe('pieces as one', () => {
  test('what the border cut is whole again, an event is there once', () => {
    const event = { id: 'e', kind: 'motion', start: at(99), end: at(102), labels: [] };
    const joined = joinLanes([line(0, 100, { events: [event] }), line(100, 200, { events: [event] }), line(300, 400)]);
    expect(joined.spans.map((s) => [s.from, s.to])).toEqual([[0, 200_000], [300_000, 400_000]]);
    expect(joined.events).toHaveLength(1);
  });

  test('gaps with one reason are one, with two they are two', () => {
    const gap = (from: number, to: number | null, reason: string) => ({ start: at(from), end: to === null ? null : at(to), reason, detail: '' });
    const joined = joinLanes([line(0, 100, { gaps: [gap(50, 100, 'offline')] }), line(100, 200, { gaps: [gap(100, 150, 'offline'), gap(150, null, 'disk-full')] })]);
    expect(joined.gaps.map((g) => [g.from, g.to, g.still])).toEqual([[50_000, 150_000, false], [150_000, 200_000, true]]);
  });
});

test('the pointer finds what is narrow, events first', () => {
  const lane: Lane = {
    spans: [{ kind: 'span', from: 0, to: 100_000 }],
    gaps: [{ kind: 'gap', from: 50_000, to: 50_500, why: 'offline', still: false }],
    events: [{ kind: 'event', id: 'e', family: 'motion', from: 20_000, to: 20_100, what: 'Motion', still: false }],
  };
  expect(whatIsAt(lane, 20_500)?.kind).toBe('span');
  expect(whatIsAt(lane, 20_500, 1000)?.kind).toBe('event');
  expect(whatIsAt(lane, 49_500, 1000)?.kind).toBe('gap');
  expect(whatIsAt(lane, 200_000)).toBeUndefined();
  expect(marks(lane)).toEqual([0, 20_000]);
  expect(within(lane, { from: 40_000, to: 60_000 })).toMatchObject({ spans: [{ from: 40_000, to: 60_000 }], gaps: [{ from: 50_000 }], events: [] });
});

test('a handful of pieces covers any view', () => {
  const day = 86_400_000;
  for (const length of [10_000, 3_600_000, 7 * 3_600_000, day, 3 * day, 7 * day]) {
    const view = { from: 20_000 * day, to: 20_000 * day + length };
    const level = levelOf(view);
    const tiles = tilesFor(view, level, { from: 0, to: Infinity });
    expect(tiles.length).toBeLessThanOrEqual(4);
    expect(tiles[0]?.from).toBeLessThanOrEqual(view.from);
    expect(tiles.at(-1)?.to).toBeGreaterThanOrEqual(view.to);
  }
});

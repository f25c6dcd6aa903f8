import { expect, test } from 'vitest';
import type { Event } from '../api/types';
import { bounds, days, everything, isEverything, merge, order, passes, queryOf } from './feed';

const event = (id: string, start: string, more: Partial<Event> = {}): Event => ({ id, camera: 'C', kind: 'motion', start, end: null, source: 'x', labels: [], keep: false, ...more });

test('what comes live is put where the box would list it', () => {
  const list = [event('3', '2026-11-24T10:00:03.000000Z'), event('1', '2026-11-24T10:00:01.000000Z')];
  const ids = (all: Event[]) => all.map((e) => e.id).join('');
  expect(ids(merge(list, event('2', '2026-11-24T10:00:02.000000Z'), everything, false))).toBe('321');
  expect(ids(merge(list, event('4', '2026-11-24T10:00:04.000000Z'), everything, false))).toBe('431');
  // It belongs to a page that is not loaded yet.
  expect(ids(merge(list, event('0', '2026-11-24T10:00:00.000000Z'), everything, false))).toBe('31');
  expect(ids(merge(list, event('0', '2026-11-24T10:00:00.000000Z'), everything, true))).toBe('310');
  expect(ids(merge([], event('0', '2026-11-24T10:00:00.000000Z'), everything, true))).toBe('0');
  const seen = event('1', '2026-11-24T10:00:01.000000Z', { reviewed: { at: 'x', by: 'Ann' } });
  expect(merge(list, seen, { ...everything, show: 'fresh' }, true)[1]?.reviewed?.by).toBe('Ann');
  expect(ids(merge(list, event('9', '2026-11-24T10:00:09Z', { keep: false }), { ...everything, show: 'kept' }, true))).toBe('31');
  // To the microsecond, and then by id.
  expect([event('a', '2026-11-24T10:00:00.000001Z'), event('b', '2026-11-24T10:00:00.000002Z'), event('c', '2026-11-24T10:00:00.000002Z')].sort(order).map((e) => e.id).join('')).toBe('cba');
});

test('a filter asks the box for what it lets through', () => {
  expect(queryOf(everything)).toEqual({});
  expect(isEverything({ ...everything, day: '2026-11-24' })).toBe(false);
  const f = { camera: 'C', kinds: ['motion', 'manual'], day: '2026-11-24', show: 'fresh' as const };
  const query = queryOf(f);
  expect(query).toMatchObject({ camera: 'C', kind: 'motion,manual', reviewed: 'false' });
  expect(new Date(query['from'] ?? '').getDate()).toBe(24);
  const noon = new Date(2026, 10, 24, 12).toISOString();
  expect(passes(f, event('1', noon))).toBe(true);
  expect(passes(f, event('1', new Date(2026, 10, 25).toISOString()))).toBe(false);
  expect(passes(f, event('1', noon, { camera: 'D' }))).toBe(false);
  expect(passes(f, event('1', noon, { kind: 'system' }))).toBe(false);
  expect(bounds('')).toBeUndefined();
});

test('days are those of the browser', () => {
  const late = new Date(2026, 10, 24, 23, 59).toISOString();
  const early = new Date(2026, 10, 25, 0, 1).toISOString();
  expect(days([event('2', early), event('1', late), event('0', late)]).map((d) => d.events.length)).toEqual([1, 2]);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { dayAfter, dayName, dayRange, type Range } from './day';
import { around } from './scale';
import { ticks as all } from './ticks';

const zone = process.env.TZ;
beforeAll(() => {
  process.env.TZ = 'Europe/Berlin';
});
afterAll(() => {
  process.env.TZ = zone;
});

const ticks = (view: Range, width: number) => all(view, width).flatMap((t) => (t.label === 'none' ? [] : t.t));
const zoomed = (day: Range, length: number, at: number) => around(at, length, day);
const hours = (name: string) => (dayRange(name).to - dayRange(name).from) / 3_600_000;

test('a day has as many hours as the clock says', () => {
  expect(hours('2026-03-29')).toBe(23);
  expect(hours('2026-10-25')).toBe(25);
  expect(hours('2026-11-24')).toBe(24);
});

test('days follow each other over a change of the clock', () => {
  expect(dayAfter('2026-03-28', 1)).toBe('2026-03-29');
  expect(dayAfter('2026-03-29', 1)).toBe('2026-03-30');
  expect(dayAfter('2026-10-26', -1)).toBe('2026-10-25');
  expect(dayAfter('2026-12-31', 1)).toBe('2027-01-01');
  expect(dayName(dayRange('2026-10-25').to - 1)).toBe('2026-10-25');
});

test('labels stay apart and inside', () => {
  const day = dayRange('2026-11-24');
  expect(ticks(day, 1000)).toHaveLength(13);
  expect(ticks(day, 320).length).toBeLessThanOrEqual(6);
  const view = zoomed(day, 3_600_000, day.from + 1000);
  expect(view.from).toBe(day.from);
  for (const t of ticks(view, 800)) expect(t).toBeLessThanOrEqual(view.to);
});

test('a zoomed view stays inside the day', () => {
  const day = dayRange('2026-11-24');
  expect(zoomed(day, 3_600_000, day.to)).toEqual({ from: day.to - 3_600_000, to: day.to });
  expect(zoomed(day, 99 * 3_600_000, day.from)).toEqual(day);
});

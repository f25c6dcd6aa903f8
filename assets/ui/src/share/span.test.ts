import { expect, test } from 'vitest';
import { around, fromField, toField } from './span';

test('a field holds a moment to the second', () => {
  const wall = new Date(2026, 10, 24, 20, 5, 9).getTime();
  expect(toField(wall)).toBe('2026-11-24T20:05:09');
  expect(fromField(toField(wall))).toBe(wall);
  expect(fromField('2026-11-24T20:05')).toBe(new Date(2026, 10, 24, 20, 5).getTime());
  expect(fromField('')).toBeUndefined();
});

test('a span around a moment ends now at the latest', () => {
  expect(around(100_000, 30, 1_000_000)).toEqual({ from: 85_000, to: 115_000 });
  expect(around(100_000, 30, 105_000)).toEqual({ from: 75_000, to: 105_000 });
});

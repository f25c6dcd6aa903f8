import { expect, test } from 'vitest';
import { isAway, shape, toneOf, uptime } from './uptime';

const bar = (up: number, down: number, off = 0) => ({ start: '2026-11-24T10:00:00Z', up, down, off });

test('a share is never better than it was', () => {
  expect(uptime([])).toBeUndefined();
  expect(uptime([bar(0, 0)])).toBeUndefined();
  expect(uptime([bar(1800, 0), bar(1800, 0)])).toBe(100);
  expect(uptime([bar(86_000, 1)])).toBe(99);
  expect(uptime([bar(900, 300, 600)])).toBe(50);
});

test('a bar shows the worst of its half hour', () => {
  expect(shape(bar(0, 0)).kind).toBe('none');
  expect(shape(bar(1800, 0))).toEqual({ kind: 'up', share: 1 });
  expect(shape(bar(1790, 10))).toEqual({ kind: 'down', share: 0.15 });
  expect(shape(bar(0, 900, 900))).toEqual({ kind: 'down', share: 0.5 });
  expect(shape(bar(900, 0, 900)).kind).toBe('off');
});

test('phases', () => {
  expect(isAway('waiting')).toBe(true);
  expect(isAway('isolated')).toBe(true);
  expect(isAway('connecting')).toBe(false);
  expect([toneOf('streaming'), toneOf('refused'), toneOf('off')]).toEqual(['good', 'danger', '']);
});

import { expect, test } from 'vitest';
import { daysText, parts } from './parts';

const disk = (total: number, free: number) => ({ path: '/x', state: 'ok' as const, total, free });
const rules = { days: 30, bytes: 0, min_free: 50 };

test('the parts of a disk add up to it', () => {
  for (const s of [
    { disk: disk(1000, 200), used: 700, kept: 100, rules },
    { disk: disk(1000, 20), used: 990, kept: 990, rules },
    { disk: disk(1000, 1000), used: 0, kept: 0, rules },
    { disk: disk(1000, 900), used: 500, kept: 10, rules },
    { disk: disk(0, 0), used: 0, kept: 0, rules },
  ]) {
    const all = parts(s);
    expect(all.reduce((sum, p) => sum + p.bytes, 0)).toBe(s.disk.total);
    expect(all.every((p) => p.bytes >= 0 && p.share >= 0 && p.share <= 1)).toBe(true);
  }
  expect(parts({ disk: disk(1000, 200), used: 700, kept: 100, rules }).map((p) => p.bytes)).toEqual([600, 100, 100, 50, 150]);
});

test('days in words', () => {
  expect(daysText(23.9)).toBe('23 days');
  expect(daysText(1)).toBe('1 day');
  expect(daysText(0.25)).toBe('6 h');
  expect(daysText(0)).toBe('1 min');
});

import { expect, test } from 'vitest';
import { firstPart, Placement } from './placement';

test('clips that follow each other are joined, gaps stay gaps', () => {
  const p = new Placement(1000);
  expect(p.add('a', 1000).media).toBe(0);
  expect(p.add('b', 61_200, 60.1).media).toBe(60.1); // 0.1 s later than the end: joined
  expect(p.add('c', 121_000, 120.2).media).toBe(120.2); // 0.2 s earlier than the end: never overlapping
  expect(p.add('d', 301_000, 180).media).toBe(300);
  expect(p.at(60.1)?.id).toBe('b');
  expect(p.at(250)?.id).toBe('c');
  expect(p.wallOf(61.1)).toBe(62_200);
  expect(p.mediaOf(62_200)).toBeCloseTo(61.1);
  expect(p.wallOf(310)).toBe(311_000);
});

test('play starts at the key frame before the moment', () => {
  const at = (s: number) => new Date(s * 1000).toISOString();
  const parts = [
    { start: at(0), key: true },
    { start: at(1), key: false },
    { start: at(2), key: true },
    { start: at(3), key: false },
  ];
  expect(firstPart(parts, 1500)).toBe(0);
  expect(firstPart(parts, 3500)).toBe(2);
  expect(firstPart(parts, 99_000)).toBe(2);
  expect(firstPart(parts, -5)).toBe(0);
  expect(firstPart([], 5)).toBe(0);
});

import { expect, test } from 'vitest';
import { Freshness } from './freshness';

test('a frozen picture is said within 2 s', () => {
  const f = new Freshness();
  expect(f.stale(50_000)).toBe(0);
  for (let t = 0; t <= 10_000; t += 40) f.picture(t);
  expect(f.stale(11_000)).toBe(0);
  expect(f.stale(11_300)).toBe(1);
  expect(f.stale(15_000)).toBe(5);
  expect(f.since(15_000, 100_000)).toBe(95_000);
  f.picture(15_000);
  expect(f.stale(15_000)).toBe(0);
});

test('a camera that sends a picture now and then is live all the same', () => {
  const f = new Freshness();
  for (let t = 0; t <= 100_000; t += 2000) f.picture(t);
  expect(f.stale(102_500)).toBe(0);
  expect(f.stale(110_000)).toBe(10);
});

test('an old picture of a camera that has stopped is not live, whenever it came', () => {
  const f = new Freshness();
  f.picture(1000);
  expect(f.moving).toBe(false);
  f.picture(1010);
  f.age = 7;
  expect(f.stale(1020)).toBe(7);
  expect(f.since(1020, 50_000)).toBe(43_000);
});

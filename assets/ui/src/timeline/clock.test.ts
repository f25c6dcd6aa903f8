import { expect, test } from 'vitest';
import { chase, Clock, jumpBeyond, keyFramesOnly } from './clock';

test('the clock moves, stands still, and goes on where it stood', () => {
  let now = 0;
  const clock = new Clock(1000, () => now);
  now = 500;
  expect(clock.time).toBe(1000);
  clock.run(true);
  now = 700;
  expect(clock.time).toBe(1200);
  clock.rate = 4;
  now = 800;
  expect(clock.time).toBe(1600);
  clock.hold(true);
  now = 5000;
  expect(clock.time).toBe(1600);
  expect(clock.running).toBe(true);
  clock.hold(false);
  now = 5010;
  expect(clock.time).toBe(1640);
  clock.run(false);
  now = 9000;
  expect(clock.time).toBe(1640);
  clock.set(50);
  expect(clock.time).toBe(50);
});

test('a player behind the clock hurries, never much', () => {
  expect(chase(1, 0)).toBe(1);
  expect(chase(2, 0.1)).toBeCloseTo(2.08);
  expect(chase(1, 9)).toBeCloseTo(1.1);
  expect(chase(16, 9)).toBe(16);
  expect(chase(1, -9)).toBeCloseTo(0.9);
  expect(jumpBeyond(0.25)).toBe(0.45);
  expect(jumpBeyond(16)).toBeGreaterThan(5);
});

test('key frames only where all of them are too many', () => {
  const small = { width: 640, height: 360, fps: 15 };
  const large = { width: 3840, height: 2160, fps: 30 };
  expect(keyFramesOnly(1, [large, large])).toBe(false);
  expect(keyFramesOnly(4, [small])).toBe(false);
  expect(keyFramesOnly(4, [large])).toBe(true);
  expect(keyFramesOnly(16, [small])).toBe(true);
});

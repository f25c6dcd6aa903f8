import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Gestures, wheelFactor } from './gestures';

let said: string[] = [];
let head = -100;
const meaning = {
  pan: (pixels: number) => said.push(`pan ${pixels}`),
  zoom: (factor: number, x: number) => said.push(`zoom ${factor.toFixed(2)} at ${x}`),
  tap: (x: number, lane: string) => said.push(`tap ${x} ${lane}`),
  scrub: (x: number, lane: string, end: boolean) => said.push(`scrub ${x} ${lane}${end ? ' end' : ''}`),
  grabs: (x: number) => Math.abs(x - head) < 8,
};
const gestures = () => new Gestures(meaning, () => false);

beforeEach(() => {
  said = [];
  head = -100;
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

test('a press that stays is a tap, one that moves drags the view', () => {
  const g = gestures();
  g.down(1, 100, 0, 'a', false);
  g.move(1, 103, 0);
  g.up(1, 103);
  expect(said).toEqual(['tap 103 a']);
  said = [];
  g.down(1, 100, 0, 'a', false);
  g.move(1, 120, 0);
  g.move(1, 125, 0);
  g.up(1, 125);
  expect(said).toEqual(['pan 20', 'pan 5']);
});

test('two fingers stretch and move, and choose nothing when they leave', () => {
  const g = gestures();
  g.down(1, 100, 0, 'a', true);
  g.down(2, 200, 0, 'a', true);
  g.move(2, 300, 0);
  g.up(1, 100);
  g.up(2, 300);
  expect(said).toEqual(['pan 50', 'zoom 0.50 at 200']);
  expect(g.busy).toBe(false);
});

test('a finger that rests scrubs, a mouse does not', () => {
  const g = gestures();
  g.down(1, 100, 0, 'a', true);
  vi.advanceTimersByTime(400);
  g.move(1, 140, 0);
  g.up(1, 140);
  expect(said).toEqual(['scrub 100 a', 'scrub 140 a', 'scrub 140 a end']);
  said = [];
  g.down(1, 100, 0, 'a', false);
  vi.advanceTimersByTime(400);
  g.up(1, 100);
  expect(said).toEqual(['tap 100 a']);
});

test('the head can be taken', () => {
  head = 100;
  const g = gestures();
  g.down(1, 104, 0, 'b', false);
  g.move(1, 200, 0);
  g.up(1, 200);
  expect(said).toEqual(['scrub 200 b', 'scrub 200 b end']);
});

test('what the browser takes away chooses nothing', () => {
  const g = gestures();
  g.down(1, 100, 0, 'a', true);
  g.up(1, 100, true);
  expect(said).toEqual([]);
});

test('the wheel stretches the same way however it counts', () => {
  expect(wheelFactor(100, 0)).toBeGreaterThan(1.2);
  expect(wheelFactor(-100, 0)).toBeCloseTo(1 / wheelFactor(100, 0));
  expect(wheelFactor(3, 1)).toBeGreaterThan(1);
  expect(wheelFactor(99_999, 2)).toBeLessThan(2);
});

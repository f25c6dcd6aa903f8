import { describe, expect, test } from 'vitest';
import { around, coalesce, fit, keyStep, lengthOf, longest, pan, shortest, timeAt, xOf, zoom } from './scale';

const hour = 3_600_000;
const bounds = { from: 0, to: 30 * 24 * hour };

describe('the view', () => {
  test('goes from ten seconds to seven days', () => {
    let view = around(10 * hour, hour, bounds);
    for (let i = 0; i < 60; i++) view = zoom(view, 0.7, 10 * hour, bounds);
    expect(lengthOf(view)).toBeCloseTo(shortest);
    for (let i = 0; i < 120; i++) view = zoom(view, 1.3, 10 * hour, bounds);
    expect(lengthOf(view)).toBeCloseTo(longest);
  });

  test('keeps the moment under the pointer while it zooms', () => {
    const view = { from: 100 * hour, to: 110 * hour };
    const at = timeAt(view, 1000, 300);
    const closer = zoom(view, 0.1, at, bounds);
    expect(xOf(closer, 1000, at)).toBeCloseTo(300);
    expect(xOf(zoom(closer, 10, at, bounds), 1000, at)).toBeCloseTo(300);
  });

  test('stays inside its bounds', () => {
    expect(pan({ from: 0, to: hour }, -hour, bounds)).toEqual({ from: 0, to: hour });
    expect(pan({ from: bounds.to - hour, to: bounds.to }, 5 * hour, bounds)).toEqual({ from: bounds.to - hour, to: bounds.to });
    expect(lengthOf(fit({ from: -99 * hour, to: 99 * hour }, { from: 0, to: 2 * hour }))).toBe(2 * hour);
  });
});

test('an arrow key goes a round way', () => {
  expect(keyStep({ from: 0, to: 600_000 })).toBe(10_000);
  expect(keyStep({ from: 0, to: hour })).toBe(60_000);
  expect(keyStep({ from: 0, to: 10_000 })).toBe(1000);
  expect(keyStep({ from: 0, to: longest })).toBe(7_200_000);
});

test('what falls on one pixel is joined', () => {
  const spans = [{ from: 0, to: 10 }, { from: 11, to: 20 }, { from: 40, to: 50 }, { from: 41, to: 45 }];
  expect(coalesce(spans, 1)).toEqual([{ from: 0, to: 20 }, { from: 40, to: 50 }]);
  expect(coalesce(spans, 0)).toHaveLength(3);
  const kinds = [{ from: 0, to: 1, k: 'a' }, { from: 1, to: 2, k: 'b' }];
  expect(coalesce(kinds, 5, (a, b) => a.k === b.k)).toHaveLength(2);
  expect(spans[0]).toEqual({ from: 0, to: 10 });
});

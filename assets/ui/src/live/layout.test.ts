import { expect, test } from 'vitest';
import { arrange, feature, rowsOf, type Arrangement } from './layout';

const wide = (n: number) => Array.from({ length: n }, () => 16 / 9);

/** Boxes that overlap or leave the width. */
function faults({ boxes, height }: Arrangement, width: number): string[] {
  const out: string[] = [];
  boxes.forEach((a, i) => {
    if (a.left < -0.5 || a.left + a.width > width + 0.5 || a.top < -0.5 || a.top + a.height > height + 0.5) out.push(`${i} leaves the wall`);
    for (const b of boxes.slice(i + 1)) if (a.left < b.left + b.width - 0.5 && b.left < a.left + a.width - 0.5 && a.top < b.top + b.height - 0.5 && b.top < a.top + a.height - 0.5) out.push(`${i} overlaps`);
  });
  return out;
}

/** How much of the wall's own rectangle is picture. */
const filled = ({ boxes, height }: Arrangement) => {
  const left = Math.min(...boxes.map((b) => b.left));
  const right = Math.max(...boxes.map((b) => b.left + b.width));
  return boxes.reduce((sum, b) => sum + b.width * b.height, 0) / ((right - left) * height);
};

test('rows are even', () => {
  expect(rowsOf(5, 2)).toEqual([2, 3]);
  expect(rowsOf(16, 4)).toEqual([4, 4, 4, 4]);
  expect(rowsOf(7, 3)).toEqual([2, 2, 3]);
});

test('no number of cameras leaves a hole', () => {
  for (let n = 1; n <= 36; n++)
    for (const [width, height] of [[1180, 760], [1900, 1000], [700, 900], [390, 700]] as const) {
      const made = arrange(wide(n), width, height);
      expect(made.boxes.length).toBe(n);
      expect(faults(made, width)).toEqual([]);
      expect(filled(made), `${n} in ${width}`).toBeGreaterThan(0.88);
    }
});

test('a desk shows them on one screen', () => {
  for (let n = 1; n <= 16; n++) expect(arrange(wide(n), 1180, 760).height).toBeLessThanOrEqual(760.5);
  const nine = arrange(wide(9), 1600, 900);
  expect(new Set(nine.boxes.map((b) => Math.round(b.left))).size).toBe(3);
});

test('shapes are kept', () => {
  const aspects = [16 / 9, 4 / 3, 3 / 4, 16 / 9, 32 / 9];
  arrange(aspects, 1180, 760).boxes.forEach((b, i) => expect(b.width / b.height).toBeCloseTo(aspects[i] ?? 0, 3));
});

test('a phone has one column of few, two of many', () => {
  expect(new Set(arrange(wide(3), 390, 700).boxes.map((b) => b.left)).size).toBe(1);
  expect(Math.max(...arrange(wide(8), 390, 700).boxes.map((b) => b.left))).toBeGreaterThan(150);
});

test('on a desk the strip is on the same screen', () => {
  for (let n = 2; n <= 5; n++) expect(feature(wide(n), 0, 1180, 760).height).toBeLessThanOrEqual(760.5);
});

test('one large, the others in a strip', () => {
  for (const width of [390, 1180])
    for (let n = 1; n <= 12; n++) {
      const made = feature(wide(n), n - 1, width, 760);
      expect(faults(made, width)).toEqual([]);
      const main = made.boxes[n - 1];
      for (const b of made.boxes) expect(main?.width).toBeGreaterThanOrEqual(b.width);
    }
});

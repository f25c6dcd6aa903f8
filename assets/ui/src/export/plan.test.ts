import { describe, expect, test } from 'vitest';
import type { Playable } from '../timeline/clips';
import { cut, fileName, span } from './plan';

const at = (s: number) => new Date(s * 1000).toISOString();
const clip = (parts: [number, number, boolean][]): Playable => ({
  id: 'c',
  vault: 'v',
  start: at(parts[0]?.[0] ?? 0),
  end: at((parts.at(-1)?.[0] ?? 0) + 1),
  bytes: 9000,
  mime: 'video/mp4',
  header_bytes: 100,
  init_bytes: 50,
  complete: true,
  open: false,
  torn: false,
  parts: parts.map(([start, offset, key]) => ({ start: at(start), offset, key })),
});

describe('what is cut out of a clip', () => {
  const whole = clip([[10, 50, true], [11, 150, false], [12, 250, true], [13, 350, false], [14, 450, true]]);

  test('begins at the key frame before the mark and ends with the part that holds the other', () => {
    expect(cut(whole, 13_500, 13_900)).toMatchObject({ first: 2, end: 4 });
    expect(cut(whole, 11_500, 12_000)).toMatchObject({ first: 0, end: 2 });
    expect(cut(whole, 0, 99_000)).toMatchObject({ first: 0, end: 5 });
  });

  test('is nothing where the clip begins later', () => {
    expect(cut(whole, 0, 10_000)).toBeUndefined();
    expect(cut(clip([]), 0, 10_000)).toBeUndefined();
  });

  test('has its bytes, to the end of the file for the last part', () => {
    expect(span({ clip: whole, first: 2, end: 4 })).toEqual([250, 450]);
    expect(span({ clip: whole, first: 4, end: 5 })).toEqual([450, 9000]);
  });
});

test('a name for any file system', () => {
  const noon = new Date(2026, 10, 24, 12, 5, 9).getTime();
  expect(fileName('Porch', noon)).toBe('Porch 2026-11-24 12-05-09.mp4');
  expect(fileName('../a:b\\c\n"d"', noon)).toBe('.. a b c d 2026-11-24 12-05-09.mp4');
  expect(fileName('///', noon)).toBe('Cardea 2026-11-24 12-05-09.mp4');
});

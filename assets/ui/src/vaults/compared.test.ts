import { expect, test } from 'vitest';
import { compared, rememberCompared } from './compared';

test('a key that was compared is known again, and another one in its place is noticed', () => {
  const kept = new Map<string, string>();
  const storage = { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) };
  expect(compared('anna', 'age1pq1a', storage)).toBe('never');
  rememberCompared('anna', 'age1pq1a', storage);
  expect(compared('anna', 'age1pq1a', storage)).toBe('same');
  expect(compared('anna', 'age1pq1b', storage)).toBe('changed');
  expect(compared('bob', 'age1pq1a', storage)).toBe('never');
});

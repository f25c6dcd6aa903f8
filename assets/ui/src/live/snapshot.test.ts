import { expect, test } from 'vitest';
import { fileName } from './snapshot';

test('a snapshot is named by camera and time', () => {
  expect(fileName('Front door', new Date(2026, 10, 24, 14, 5, 3))).toBe('Front door 2026-11-24 14.05.03.jpg');
  expect(fileName('../a:b\n"c"', new Date(2026, 0, 2, 0, 0, 0))).toBe('.. a b c 2026-01-02 00.00.00.jpg');
  expect(fileName('//', new Date(2026, 0, 2, 0, 0, 0))).toBe('camera 2026-01-02 00.00.00.jpg');
});

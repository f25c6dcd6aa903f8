import { expect, test } from 'vitest';
import type { Imaging } from '../api/types';
import { changeOf } from './imaging';

const at = (brightness: number, day_night: 'day' | 'auto'): Imaging => ({
  brightness: { value: brightness, min: 0, max: 100 },
  contrast: null,
  saturation: { value: 50, min: 0, max: 100 },
  sharpness: { value: 50, min: 0, max: 100 },
  day_night,
  day_nights: ['auto', 'day'],
});

test('only what differs is changed, and what a lens does not have never', () => {
  expect(changeOf(at(50, 'auto'), at(50, 'auto'))).toEqual({});
  expect(changeOf(at(50, 'auto'), at(70, 'day'))).toEqual({ brightness: 50, day_night: 'auto' });
});

/** What a lens can be set to. */
import type { Imaging } from '../api/types';

/** The settings that are a number between two others. */
export const ranges = ['brightness', 'contrast', 'saturation', 'sharpness'] as const;

type Range = (typeof ranges)[number];

/** What is to be otherwise. */
export type Change = Partial<Record<Range, number>> & { day_night?: 'day' | 'night' | 'auto' };

/** What leads from how a lens is set to how it is wanted. */
export function changeOf(wanted: Imaging, is: Imaging): Change {
  const change: Change = {};
  for (const name of ranges) {
    const value = wanted[name]?.value;
    if (value !== undefined && value !== is[name]?.value) change[name] = value;
  }
  if (wanted.day_night && wanted.day_night !== is.day_night) change.day_night = wanted.day_night;
  return change;
}

/** What a disk is divided into, and days in words. */
import type { Storage } from '../api/types';
import { duration } from '../controls/format';
import { m } from '../i18n/m';

export interface Part {
  id: 'loose' | 'kept' | 'other' | 'reserve' | 'free';
  bytes: number;
  /** Of the whole disk, 0 to 1. */
  share: number;
}

/** The parts of the disk in the order of the bar. They add up to the whole. */
export function parts(s: Pick<Storage, 'disk' | 'used' | 'kept' | 'rules'>): Part[] {
  const { total, free } = s.disk;
  const inUse = Math.max(0, total - free);
  // The file system rounds up, and recordings are counted exactly: never more than is in use.
  const recordings = Math.min(s.used, inUse);
  const kept = Math.min(s.kept, recordings);
  const reserve = Math.min(s.rules.min_free, free);
  const all: [Part['id'], number][] = [
    ['loose', recordings - kept],
    ['kept', kept],
    ['other', inUse - recordings],
    ['reserve', reserve],
    ['free', free - reserve],
  ];
  return all.map(([id, bytes]) => ({ id, bytes, share: total > 0 ? bytes / total : 0 }));
}

/** "23 days", or hours where a day is not full. */
export function daysText(days: number): string {
  return days >= 1 ? m.common.days(Math.floor(days)) : duration(Math.max(60, days * 86_400));
}

/** How a camera was, from bars of half an hour. */
import type { CameraCondition } from '../api/types';

export type Bar = CameraCondition['bars'][number];

/** The share of the time of which something is known that it was there, in whole percent; never 100 when it was away. */
export function uptime(bars: Bar[]): number | undefined {
  const up = bars.reduce((sum, b) => sum + b.up, 0);
  const down = bars.reduce((sum, b) => sum + b.down + b.off, 0);
  if (up + down === 0) return undefined;
  return down > 0 ? Math.min(99, Math.round((up / (up + down)) * 100)) : 100;
}

/** What a bar shows: the worst that was for more than a moment, and how much of it. */
export function shape(bar: Bar): { kind: 'up' | 'down' | 'off' | 'none'; share: number } {
  const all = bar.up + bar.down + bar.off;
  if (all < 1) return { kind: 'none', share: 0 };
  if (bar.down >= 1 && bar.down >= bar.off) return { kind: 'down', share: Math.max(0.15, bar.down / all) };
  if (bar.off >= 1) return { kind: 'off', share: Math.max(0.15, bar.off / all) };
  return { kind: 'up', share: 1 };
}

export const isAway = (phase: string) => !['streaming', 'connecting', 'stopped', 'off'].includes(phase);

export function toneOf(phase: string): 'good' | 'danger' | '' {
  if (phase === 'streaming') return 'good';
  return isAway(phase) ? 'danger' : '';
}

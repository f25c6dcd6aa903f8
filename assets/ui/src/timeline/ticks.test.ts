import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dayRange } from './day';
import { around, lengthOf } from './scale';
import { ticks } from './ticks';

const zone = process.env.TZ;
afterAll(() => {
  process.env.TZ = zone;
});

const hour = 3_600_000;
const clocks = (name: string, width: number) =>
  ticks(dayRange(name), width)
    .filter((t) => t.label !== 'none')
    .map((t) => new Date(t.t).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' }) + (t.twice ? '*' : ''));

describe('in Berlin', () => {
  beforeAll(() => {
    process.env.TZ = 'Europe/Berlin';
  });

  test('the day of 25 hours shows the second hour twice, and says so', () => {
    const shown = clocks('2026-10-25', 2500);
    expect(shown.slice(0, 5)).toEqual(['00:00', '01:00', '02:00*', '02:00*', '03:00']);
    expect(shown).toHaveLength(26); // with the midnight that follows
  });

  test('the day of 23 hours has no second hour', () => {
    const shown = clocks('2026-03-29', 2300);
    expect(shown.slice(0, 4)).toEqual(['00:00', '01:00', '03:00', '04:00']);
    expect(shown).toHaveLength(24);
  });

  test('wider steps stay on round times and apart', () => {
    for (const name of ['2026-03-29', '2026-10-25', '2026-11-24']) {
      for (const width of [300, 700, 1200]) {
        const range = dayRange(name);
        const shown = ticks(range, width).filter((t) => t.label !== 'none');
        expect(shown.length).toBeGreaterThan(2);
        shown.forEach((t, i) => {
          expect(new Date(t.t).getMinutes()).toBe(0);
          const next = shown[i + 1];
          if (next) expect(((next.t - t.t) / lengthOf(range)) * width).toBeGreaterThan(40);
        });
      }
    }
  });

  test('seconds are labelled where they are seen, days where they begin', () => {
    const view = around(dayRange('2026-11-24').from, 10_000, { from: 0, to: Date.UTC(2030, 0) });
    const shown = ticks(view, 1000).filter((t) => t.label !== 'none');
    expect(shown.map((t) => t.label)).toContain('day');
    expect(shown.map((t) => t.label)).toContain('second');
    const week = ticks({ from: dayRange('2026-10-22').from, to: dayRange('2026-10-28').to }, 800);
    expect(week.filter((t) => t.label === 'day')).toHaveLength(8);
    for (const t of week.filter((t) => t.label === 'day')) expect(new Date(t.t).getHours()).toBe(0);
  });
});

test('half an hour of difference, too (Lord Howe)', () => {
  process.env.TZ = 'Australia/Lord_Howe';
  const range = dayRange('2026-04-05');
  expect(lengthOf(range)).toBe(24.5 * hour);
  const shown = ticks(range, 2400).filter((t) => t.label !== 'none');
  for (const t of shown) expect(new Date(t.t).getMinutes()).toBe(0);
  expect(ticks({ from: range.from, to: range.from + 4 * hour }, 2400).some((t) => t.twice)).toBe(true);
});

/** Numbers and times as a person reads them, in the language of the app and the time zone of the browser. */
import { locale, m } from '../i18n/m';

const oneDigit = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export function bytes(n: number): string {
  const { units } = m.common;
  let value = n;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : oneDigit.format(value)} ${units[unit]}`;
}

const upToOneDigit = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });

/** Pictures in a second. */
export const frameRate = (n: number) => `${upToOneDigit.format(n)} fps`;

export function bitrate(bitsPerSecond: number): string {
  if (bitsPerSecond >= 1e6) return `${oneDigit.format(bitsPerSecond / 1e6)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

/** "1 h 5 min", "12 s": at most two units. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 && s < 600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.round(s / 60)} min`;
  if (s < 86400) {
    const minutes = Math.round((s % 3600) / 60);
    const hours = Math.floor(s / 3600) + (minutes === 60 ? 1 : 0);
    return minutes % 60 ? `${hours} h ${minutes} min` : `${hours} h`;
  }
  const days = Math.floor(s / 86400);
  return m.common.days(days);
}

const timeShort = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const timeLong = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const zone = new Intl.DateTimeFormat(locale, { timeZoneName: 'short' });
const dayLong = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const dayMedium = new Intl.DateTimeFormat(locale, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
const dayShort = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });

type When = string | number | Date;

export const clock = (t: When) => timeShort.format(new Date(t));
export const clockSeconds = (t: When) => timeLong.format(new Date(t));
export const day = (t: When) => dayLong.format(new Date(t));
export const dayBrief = (t: When) => dayMedium.format(new Date(t));

/** The name of the time zone at that moment, which tells the two hours of an autumn night apart. */
export const zoneOf = (t: When) => zone.formatToParts(new Date(t)).find((p) => p.type === 'timeZoneName')?.value ?? '';

/** "14:05" today, "2 Nov, 14:05" on other days. */
export function moment(t: When): string {
  const date = new Date(t);
  return date.toDateString() === new Date().toDateString() ? clock(date) : `${dayShort.format(date)}, ${clock(date)}`;
}

/**
 * A day as the clock on the wall has it: from midnight to midnight in the browser's time zone, which makes it 23, 24 or
 * 25 hours long. Times are milliseconds since 1970 UTC.
 */
export interface Range {
  from: number;
  to: number;
}

/** "2026-11-24" of a moment, in local time. */
export function dayName(t: number): string {
  const d = new Date(t);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

/** The range of a day by its name; today where the name is none. */
export function dayRange(name: string): Range {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(name);
  const now = new Date();
  const [year, month, date] = match ? [Number(match[1]), Number(match[2]) - 1, Number(match[3])] : [now.getFullYear(), now.getMonth(), now.getDate()];
  return { from: new Date(year, month, date).getTime(), to: new Date(year, month, date + 1).getTime() };
}

/** The name of the day that many days later. */
export function dayAfter(name: string, days: number): string {
  const from = new Date(dayRange(name).from);
  return dayName(new Date(from.getFullYear(), from.getMonth(), from.getDate() + days, 12).getTime());
}

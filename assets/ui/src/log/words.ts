/** What the witness says, in a person's words. */
import { m } from '../i18n/m';
import type { Kept } from './memory';

export const logTitle = (log: string) => (log === 'access' ? m.log.logs.access : m.log.logs.footage);

export function alarmText({ alarm, remembered, shown }: Kept): { title: string; short: string; what: string } {
  if (alarm === 'rollback') return { ...m.log.alarms.rollback, short: m.log.missing((remembered?.size ?? 0) - shown.size) };
  return m.log.alarms[alarm];
}

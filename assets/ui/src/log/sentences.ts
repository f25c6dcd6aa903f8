/** Records of the access log as plain sentences. */
import type { LogEntry } from '../api/types';
import { clock, clockSeconds, dayBrief } from '../controls/format';
import { lookUp, m } from '../i18n/m';
import { inWords } from '../i18n/said';
import { asked, roleLabel } from '../people/words';
import type { Told } from './told';

/** One line of the page: a record, or several that belong together. */
export interface Line {
  /** The newest record first. */
  records: LogEntry[];
  /** When it happened last. */
  time: string;
  who: string;
  /** What they did, to follow the name. */
  did: string;
  /** " from 192.168.1.20", " on the box", or nothing. */
  where: string;
  refused: boolean;
}

/** Footage of neighbouring clips is told as one while no more than this is missing between them. */
const joinMilliseconds = 15_000;
/** Looking on a while later is told as another time. */
const sittingMilliseconds = 15 * 60_000;

/** Acts that the page offers to filter by, with what they are called there. */
export const choices = () => Object.entries(m.log.choices);

function span(e: LogEntry): string {
  if (!e.start || !e.end) return '';
  const from = new Date(e.start);
  const to = new Date(e.end);
  const date = from.toDateString() === new Date(e.time).toDateString() ? '' : `${dayBrief(from)}, `;
  const brief = clock(from) !== clock(to);
  return ` ${date}${brief ? `${clock(from)}–${clock(to)}` : `${clockSeconds(from)}–${clockSeconds(to)}`}`;
}

function who(e: LogEntry): string {
  if (e.role === 'console') return m.log.console;
  return e.name || (e.action.startsWith('log.') ? m.log.box : m.log.somebody);
}

const word = (text: string) => lookUp<string>(m.log.details, text) ?? roleLabel(text);

/** What the box says of an account that was changed, a part each. */
const accountParts: [RegExp, (value: string) => string][] = [
  [/\brole: (\w+)/, roleLabel],
  [/\bdisabled: (\w+)/, (yes) => (yes === 'true' ? m.log.accountLocked : m.log.accountOpen)],
  [/\ball cameras: true/, () => m.people.allCameras],
  [/\ball cameras: false, else (\d+)/, (n) => m.log.seesCameras(Number(n))],
];

/** More about an act: a sentence of the box, or one of the short lists of words that it keeps of what was changed, and for whom. */
function detailText(e: LogEntry): string {
  const detail = e.detail ?? '';
  const values = Object.entries(e.said?.params ?? {}).map(([name, value]) => [name, typeof value === 'string' && name !== 'name' ? word(value) : value] as const);
  const said = inWords(detail, e.said && { ...e.said, params: Object.fromEntries(values) });
  if (said !== detail) return said;
  const whole = word(detail);
  if (whole !== detail) return whole;
  if (e.action === 'user.change') {
    return accountParts.flatMap(([form, tell]) => form.exec(detail)?.slice(0, 2).slice(-1).map(tell) ?? []).join(', ') || detail;
  }
  const [, link, owner] = /^(link \w{26} )?of (.+)$/.exec(detail) ?? [];
  if (owner && (link || e.action === 'token.remove')) return m.log.ofWhom(owner);
  const [, what = '', whom] = (e.action.startsWith('grant.') || e.action === 'vault.revoke' ? /^(.*?) ?\bfor (.+)$/.exec(detail) : null) ?? [];
  if (whom) return [detailWords(what), m.log.forWhom(whom)].filter(Boolean).join(' ');
  return detailWords(detail);
}

/** "name, retention_days 30": each with its first word, which is what was changed. */
const detailWords = (detail: string) =>
  detail
    .split(', ')
    .map((part) => {
      if (word(part) !== part) return word(part);
      const [, key = '', value = ''] = /^(\S+)( .+)?$/.exec(part) ?? [];
      return word(key) === key ? part : `${word(key)}${value && ` ${word(value.trim())}`}`;
    })
    .join(', ');

function told(e: LogEntry): Told {
  const plain = e.object ?? '';
  return {
    camera: e.camera_name ?? e.object ?? m.log.aCamera,
    object: e.object ? m.log.quoted(e.object) : m.log.something,
    plain: e.action.startsWith('approval.') ? asked(plain) : plain,
    span: span(e),
    more: e.detail ? ` (${detailText(e)})` : '',
    refused: e.result === 'refused',
    own: e.object === undefined || e.object === e.name,
  };
}

function line(records: LogEntry[], entry: LogEntry): Line {
  const newest = records[0] ?? entry;
  const about = told(entry);
  // An act that nobody has taught this page is named as it is.
  const tell = lookUp(m.log.acts, entry.action);
  const plain = tell ? tell(about) : `${entry.action}${entry.object ? ` ${entry.object}` : ''}${entry.camera_name ? ` ${entry.camera_name}` : ''}${about.more}`;
  const did = about.refused && entry.action !== 'sign-in' && entry.action !== 'step-up' ? m.log.refused(plain) : plain;
  return { records, time: newest.time, who: who(entry), did, where: entry.addr ? m.log.whereFrom(entry.addr) : '', refused: about.refused };
}

/**
 * Tells records as lines, newest first. Recordings that one person watched in one sitting, one after the other, are one
 * line with the whole span.
 */
export function tell(records: LogEntry[]): Line[] {
  const lines: Line[] = [];
  let open: { records: LogEntry[]; told: LogEntry } | undefined;
  const close = () => {
    if (open) lines.push(line(open.records, open.told));
    open = undefined;
  };
  for (const e of records) {
    if (open && joins(open.told, open.records.at(-1), e)) {
      const { told } = open;
      open.records.push(e);
      const start = !told.start || (e.start && e.start < told.start) ? e.start : told.start;
      const end = !told.end || (e.end && e.end > told.end) ? e.end : told.end;
      open.told = { ...told, ...(start ? { start } : {}), ...(end ? { end } : {}) };
    } else {
      close();
      open = { records: [e], told: e };
    }
  }
  close();
  return lines;
}

function joins(told: LogEntry, last: LogEntry | undefined, e: LogEntry): boolean {
  if (told.action !== 'playback' || e.action !== 'playback' || !last) return false;
  if (told.name !== e.name || told.user !== e.user || told.addr !== e.addr || told.camera !== e.camera || told.result !== e.result) return false;
  if (Date.parse(last.time) - Date.parse(e.time) > sittingMilliseconds) return false;
  if (!told.start || !told.end || !e.start || !e.end) return false;
  return Date.parse(e.end) >= Date.parse(told.start) - joinMilliseconds && Date.parse(e.start) <= Date.parse(told.end) + joinMilliseconds;
}

const columns = ['seq', 'time', 'action', 'result', 'name', 'role', 'addr', 'agent', 'camera', 'camera_name', 'clip', 'start', 'end', 'bytes', 'sha256', 'object', 'detail', 'reason', 'state', 'user'] as const;

/** Records as CSV (RFC 4180). A cell never starts a formula in a spreadsheet. */
export function csv(records: LogEntry[]): string {
  const cell = (value: unknown) => {
    let text = value === undefined || value === null ? '' : String(value);
    if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns.join(','), ...records.map((r) => columns.map((c) => cell(r[c])).join(','))].join('\r\n') + '\r\n';
}

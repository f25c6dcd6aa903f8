/** Records of the access log as plain sentences. */
import type { LogEntry } from '../api/types';
import { clock, clockSeconds } from '../controls/format';

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

type Teller = (e: LogEntry) => string;

const camera: Teller = (e) => e.camera_name ?? e.object ?? 'a camera';
const object: Teller = (e) => (e.object ? `“${e.object}”` : 'something');
const more: Teller = (e) => (e.detail ? ` (${e.detail})` : '');

const acts: Record<string, Teller> = {
  'sign-in': (e) => (e.result === 'refused' ? `tried to sign in${more(e)}` : `signed in${more(e)}`),
  'sign-out': () => 'signed out',
  'step-up': (e) => (e.result === 'refused' ? 'could not confirm who they are' : 'confirmed who they are'),
  claim: () => 'claimed the box',
  playback: (e) => `watched ${camera(e)}${span(e)}`,
  live: (e) => `watched ${camera(e)} live`,
  'live.end': (e) => `stopped watching ${camera(e)} live${span(e)}`,
  export: (e) => `exported ${camera(e)}${span(e)}`,
  'camera.add': (e) => `added the camera ${camera(e)}`,
  'camera.change': (e) => `changed the camera ${camera(e)}${more(e)}`,
  'camera.remove': (e) => `removed the camera ${camera(e)}${more(e)}`,
  'camera.record': (e) => `started a recording of ${camera(e)}${more(e)}`,
  'camera.pair': (e) => `paired the camera ${camera(e)}`,
  'camera.revoke': (e) => `took the certificate of ${camera(e)} back`,
  'clip.salvage': (e) => `repaired a recording of ${camera(e)}${span(e)}`,
  'vault.create': (e) => `created the vault ${object(e)}`,
  'vault.change': (e) => `changed the vault ${object(e)}${more(e)}`,
  'vault.rotate': (e) => `renewed the key of the vault ${object(e)}`,
  'vault.revoke': (e) => `took access to the vault ${object(e)} away${more(e)}`,
  'vault.open': (e) => `let the box itself open the vault ${object(e)}`,
  'vault.seal': (e) => `sealed the vault ${object(e)} from the box`,
  'grant.add': (e) => `added a key to the vault ${object(e)}${more(e)}`,
  'grant.revoke': (e) => `took a key to the vault ${object(e)} away${more(e)}`,
  'key.change': () => 'made a new personal key',
  'share.add': (e) => `gave out a link to ${camera(e)}${span(e)}${more(e)}`,
  'share.revoke': (e) => `took back a link to ${camera(e)}`,
  'share.view': (e) => `opened a link to ${camera(e)}${more(e)}`,
  'settings.change': (e) => `changed the settings${more(e)}`,
  'rules.change': (e) => `changed the rules of access${more(e)}`,
  'syslog.change': (e) => (e.object ? `had the logs sent to ${e.object}` : 'stopped sending the logs to a collector'),
  'authority.roll': () => 'replaced the authority of paired cameras',
  backup: () => 'made a backup',
  restore: () => 'restored the box from a backup',
  'log.read': (e) => (e.object === 'footage' ? 'read the log of footage' : 'read this log'),
  'log.start': () => 'started this log',
  'log.erase': (e) => `erased old records${more(e)}`,
  'user.add': (e) => `added ${object(e)}${more(e)}`,
  'user.invite': (e) => `invited ${object(e)}${more(e)}`,
  'user.uninvite': () => 'took an invitation back',
  'user.change': (e) => `changed the account ${object(e)}${more(e)}`,
  'user.remove': (e) => `removed the account ${object(e)}`,
  'user.password': (e) => (own(e) ? 'changed their password' : `set a new password for ${object(e)}`),
  'user.totp': (e) => (own(e) ? 'set up a new authenticator' : `set a new authenticator for ${object(e)}`),
  'user.recovery': () => 'made new recovery codes',
  'passkey.add': (e) => `added the passkey ${object(e)}`,
  'passkey.remove': () => 'removed a passkey',
  'token.add': (e) => `made the API token ${object(e)}${more(e)}`,
  'token.use': (e) => `used the API token ${object(e)}`,
  'token.remove': (e) => `revoked the API token ${object(e)}`,
  'approval.ask': (e) => `asked a second owner to approve: ${e.object ?? ''}`,
  'approval.use': (e) => `did what was approved: ${e.object ?? ''}${more(e)}`,
  'approval.decide': (e) => `decided about: ${e.object ?? ''}${more(e)}`,
};

const own = (e: LogEntry) => e.object === undefined || e.object === e.name;

/** Acts that the page offers to filter by, with what they are called there. */
export const choices: [action: string, label: string][] = [
  ['playback', 'Watched recordings'],
  ['live', 'Watched live'],
  ['export', 'Exported'],
  ['share.add', 'Gave out a link'],
  ['share.view', 'Opened a link'],
  ['sign-in', 'Signed in'],
  ['user.change', 'Changed an account'],
  ['camera.change', 'Changed a camera'],
  ['settings.change', 'Changed settings'],
  ['vault.open', 'Opened a vault to the box'],
  ['log.read', 'Read the log'],
];

function span(e: LogEntry): string {
  if (!e.start || !e.end) return '';
  const from = new Date(e.start);
  const to = new Date(e.end);
  const date = from.toDateString() === new Date(e.time).toDateString() ? '' : `${from.toLocaleDateString()}, `;
  const brief = clock(from) !== clock(to);
  return ` ${date}${brief ? `${clock(from)}–${clock(to)}` : `${clockSeconds(from)}–${clockSeconds(to)}`}`;
}

function who(e: LogEntry): string {
  if (e.role === 'console') return 'Somebody at the command line';
  return e.name || (e.action.startsWith('log.') ? 'The box' : 'Somebody');
}

function line(records: LogEntry[], told: LogEntry): Line {
  const newest = records[0] ?? told;
  const refused = told.result === 'refused';
  // An act that nobody has taught this page is named as it is.
  const tell = acts[told.action];
  const plain = tell ? tell(told) : `${told.action}${told.object ? ` ${told.object}` : ''}${told.camera_name ? ` ${told.camera_name}` : ''}${more(told)}`;
  const did = refused && told.action !== 'sign-in' && told.action !== 'step-up' ? `${plain} – refused` : plain;
  return { records, time: newest.time, who: who(told), did, where: told.addr ? ` from ${told.addr}` : '', refused };
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

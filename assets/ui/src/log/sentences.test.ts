import { expect, test } from 'vitest';
import type { LogEntry } from '../api/types';
import { use } from '../i18n/m';
import { csv, tell } from './sentences';

const at = (clock: string) => new Date(`2026-11-24T${clock}`).toISOString();
let seq = 100;
const record = (time: string, action: string, more: Partial<LogEntry> = {}): LogEntry => ({ seq: seq--, time: at(time), action, result: 'ok', name: 'Anna', role: 'viewer', addr: '192.168.1.20', ...more });
const watched = (time: string, start: string, end: string, more: Partial<LogEntry> = {}) =>
  record(time, 'playback', { camera: 'c1', camera_name: 'Front door', start: at(start), end: at(end), ...more });
const say = (records: LogEntry[]) => tell(records).map((l) => l.who + ' ' + l.did + l.where);

test('clips watched one after the other are one sentence', () => {
  const lines = tell([watched('18:12:00', '18:04:02', '18:05:01'), watched('18:11:00', '18:03:01', '18:04:01'), watched('18:10:00', '18:02:00', '18:03:00')]);
  expect(lines.map((l) => l.who + ' ' + l.did + l.where)).toEqual(['Anna watched Front door 18:02–18:05 from 192.168.1.20']);
  expect(lines[0]?.records).toHaveLength(3);
  expect(lines[0]?.time).toBe(at('18:12:00'));
});

test('another person, address, camera, sitting or hour is another sentence', () => {
  const first = watched('18:12:00', '18:04:00', '18:05:00');
  for (const other of [
    watched('18:11:00', '18:03:00', '18:04:00', { name: 'Bert' }),
    watched('18:11:00', '18:03:00', '18:04:00', { addr: '192.168.1.21' }),
    watched('18:11:00', '18:03:00', '18:04:00', { camera: 'c2', camera_name: 'Yard' }),
    watched('17:11:00', '18:03:00', '18:04:00'),
    watched('18:11:00', '12:03:00', '12:04:00'),
    record('18:11:00', 'live', { camera: 'c1', camera_name: 'Front door' }),
  ]) {
    expect(tell([first, other])).toHaveLength(2);
  }
});

test('acts are told in words', () => {
  expect(say([record('18:00:00', 'live', { camera_name: 'Yard' })])).toEqual(['Anna watched Yard live from 192.168.1.20']);
  expect(say([record('18:05:00', 'live.end', { camera_name: 'Yard', start: at('18:02:00'), end: at('18:05:00') })])).toEqual(['Anna stopped watching Yard live 18:02–18:05 from 192.168.1.20']);
  expect(say([record('18:00:00', 'sign-in', { result: 'refused' })])).toEqual(['Anna tried to sign in from 192.168.1.20']);
  expect(say([record('18:00:00', 'camera.remove', { camera_name: 'Yard', result: 'refused' })])).toEqual(['Anna removed the camera Yard – refused from 192.168.1.20']);
  expect(say([{ seq: 1, time: at('18:00:00'), action: 'user.password', role: 'console', object: 'Bert' }])).toEqual(['Somebody at the command line set a new password for “Bert”']);
  expect(say([{ seq: 1, time: at('18:00:00'), action: 'user.password', name: 'Bert', object: 'Bert' }])).toEqual(['Bert changed their password']);
  expect(say([{ seq: 1, time: at('18:00:00'), action: 'log.start' }])).toEqual(['The box started this log']);
});

test('what the box adds is told in words where it has them', () => {
  expect(say([record('18:00:00', 'sign-in', { detail: 'password and code' })])).toEqual(['Anna signed in (password and code) from 192.168.1.20']);
  expect(say([record('18:00:00', 'user.invite', { object: 'Bert', detail: 'viewer' })])).toEqual(['Anna invited “Bert” (Viewer) from 192.168.1.20']);
});

test('what was changed is told in the language of the person', async () => {
  const records = [
    record('18:00:00', 'camera.change', { camera_name: 'Hof', detail: 'name, sub-stream, retention' }),
    record('18:00:00', 'settings.change', { detail: 'retention_days 30, previews true' }),
    record('18:00:00', 'user.change', { object: 'Bert', detail: 'role: viewer disabled: true all cameras: false, else 2' }),
    record('18:00:00', 'grant.revoke', { object: 'Haus', detail: 'device Telefon for Bert' }),
    record('18:00:00', 'user.add', { object: 'Bert', detail: 'viewer, invited by Ada', said: { code: 'log.invited-by', params: { role: 'viewer', name: 'Ada' } } }),
    record('18:00:00', 'camera.remove', { camera_name: 'Hof', detail: 'its clips are kept', said: { code: 'log.kept' } }),
  ];
  await use('de');
  expect(say(records).map((text) => /\((.*)\)/.exec(text)?.[1])).toEqual([
    'Name, kleinerer Stream, Aufbewahrung',
    'Tage für Aufnahmen 30, Vorschauen an',
    'Zuschauer, gesperrt, 2 Kameras',
    'Gerät Telefon für Bert',
    'Zuschauer, eingeladen von Ada',
    'ihre Aufnahmen bleiben',
  ]);
  await use('en');
});

test('an act that is not known is still told', () => {
  expect(say([record('18:00:00', 'garden.water', { object: 'roses', detail: '3 l' })])).toEqual(['Anna garden.water roses (3 l) from 192.168.1.20']);
});

test('a spreadsheet gets cells, not formulas', () => {
  const text = csv([record('18:00:00', 'share.add', { object: '=HYPERLINK("x")', detail: 'a,b\nc' })]);
  expect(text.split('\r\n')[0]).toMatch(/^seq,time,action/);
  expect(text).toContain(`"'=HYPERLINK(""x"")"`);
  expect(text).toContain('"a,b\nc"');
});

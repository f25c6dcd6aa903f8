import { afterAll, expect, test } from 'vitest';
import type { Event } from '../api/types';
import { use } from '../i18n/m';
import { explanation, groupOf, lasting, momentsOf, sentence, timelineOf, toneOf } from './words';

const event = (more: Partial<Event>): Event => ({
  id: '01J', camera: '01C', kind: 'motion', start: '2026-11-24T10:00:00.000000Z', end: '2026-11-24T10:00:12.000000Z', source: 'onvif', labels: [], keep: false, ...more,
});

afterAll(() => use('en'));

test('each kind has a plain sentence, in each language', async () => {
  for (const [given, want] of [
    [event({}), 'Motion at Yard'],
    [event({ kind: 'camera.offline', labels: ['offline'], end: null }), 'Yard is away'],
    [event({ kind: 'camera.offline', labels: ['offline'], end: '2026-11-24T11:05:00Z' }), 'Yard was away for 1 h 5 min'],
    [event({ kind: 'camera.online' }), 'Yard is back'],
    [event({ kind: 'camera.identity', labels: ['isolated', 'identity'] }), 'Cardea keeps away from Yard: its identity is in doubt'],
    [event({ kind: 'camera.identity', labels: ['isolated', 'bitrate'] }), 'Cardea keeps away from Yard: it behaved unlike itself'],
    [event({ kind: 'camera.identity', labels: ['revoked'] }), 'The certificate of Yard was taken back'],
    [event({ kind: 'camera.identity', labels: ['pairing'] }), 'Pairing with Yard failed'],
    [event({ kind: 'camera.anomaly', labels: ['bitrate'] }), 'Yard behaves unlike itself'],
    [event({ kind: 'manual', data: { by: 'Ann' } }), 'Ann had Yard recorded'],
    [event({ kind: 'manual' }), 'Yard was recorded on demand'],
    [event({ kind: 'kept', data: { by: 'Ann' } }), 'Ann kept what Yard recorded'],
    [event({ kind: 'storage', camera: null, labels: ['disk-kept'] }), 'What is kept for ever leaves too little room for new recordings'],
    [event({ kind: 'system', camera: null, labels: ['clock'] }), 'The clock of the box was wrong, or was set'],
    [event({ kind: 'system', camera: null, labels: ['of tomorrow'] }), 'Something happened to the box'],
    [event({ kind: 'doorbell' }), 'Somebody rang at Yard'],
    [event({ kind: 'object', labels: ['person', 'dog'] }), 'Yard has seen person, dog'],
    [event({ kind: 'tamper' }), 'Somebody tampers with Yard'],
    [event({ kind: 'smoke' }), 'smoke: Yard'],
  ] as const) {
    expect(sentence(given, 'Yard')).toBe(want);
  }
  for (const language of ['de', 'fr', 'es'] as const) {
    await use(language);
    for (const kind of ['motion', 'camera.offline', 'camera.online', 'camera.identity', 'camera.anomaly', 'manual', 'object', 'doorbell', 'tamper']) expect(sentence(event({ kind }), 'Yard')).toContain('Yard');
  }
  await use('en');
});

test('what else there is to say', () => {
  expect(explanation(event({ kind: 'camera.offline', labels: ['refused'] }))).toBe('It refused the connection, or was refused.');
  expect(explanation(event({ kind: 'system', labels: ['backup'], data: { detail: 'No space.' } }))).toBe('No space.');
  expect(explanation(event({}))).toBeUndefined();
  expect(lasting(event({}))).toBe('12 s');
  expect(lasting(event({ end: null }))).toBe('goes on');
  expect(lasting(event({ kind: 'camera.offline' }))).toBe('');
  expect(toneOf(event({ kind: 'camera.offline', end: null }))).toBe('danger');
  expect(groupOf(event({ kind: 'camera.online' }))).toBe('away');
  expect(groupOf(event({ kind: 'smoke' }))).toBeUndefined();
});

test('a camera that went is shown as it was before', () => {
  expect(momentsOf(event({ kind: 'camera.offline' }))[0]).toBe(Date.parse('2026-11-24T09:59:58Z'));
  expect(momentsOf(event({}))).toEqual([Date.parse('2026-11-24T10:00:01Z')]);
  expect(timelineOf(event({}))).toBe('/timeline?camera=01C&at=2026-11-24T09%3A59%3A59.000Z');
  expect(timelineOf(event({ camera: null }))).toBeUndefined();
});

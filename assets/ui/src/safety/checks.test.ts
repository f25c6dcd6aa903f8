import { afterAll, expect, test } from 'vitest';
import type { Check } from '../api/types';
import { m, use } from '../i18n/m';
import { find, findings, ownCheck } from './checks';

const check = (id: string, state: Check['state'], more: Partial<Check> = {}): Check => ({ id, state, cameras: [], names: [], number: 0, wanted: 0, at: null, ...more });
const camera = (id: string) => `Camera ${id}`;

afterAll(() => use('en'));

/** What the box can answer: see nvr.Safety. */
const states: [string, Check['state'][]][] = [
  ['recording', ['good', 'advise', 'bad']], ['switched-off', ['good', 'advise']], ['plain', ['good', 'bad']], ['isolated', ['good', 'bad']], ['tls12', ['good', 'advise']],
  ['network', ['good', 'advise']], ['vault', ['good', 'bad']], ['open', ['good', 'advise']], ['stale', ['good', 'advise']], ['kit', ['good', 'advise']],
  ['owners', ['good', 'advise']], ['codes', ['good', 'advise', 'bad']], ['passkey', ['good', 'advise']], ['witness', ['good', 'advise']], ['retention', ['good', 'advise']],
  ['disk', ['good', 'advise', 'bad']], ['backup', ['good', 'advise', 'bad']], ['clock', ['good', 'bad']], ['logs', ['good', 'bad']], ['root', ['good', 'advise']], ['allow-list', ['good']], ['certificate', ['good', 'advise']],
];

test('every state of every check has words in every language, and each bad one says what to do', async () => {
  for (const language of ['de', 'fr', 'es', 'en'] as const) {
    await use(language);
    for (const [id, all] of states) {
      const texts = all.map((state) => find(check(id, state, { cameras: ['1'], names: ['Home'], number: 3, wanted: 30, at: '2025-01-02T00:00:00Z' }), camera)?.text);
      expect(texts.every(Boolean), `${id} in ${language}`).toBe(true);
      expect(new Set(texts).size, `${id} in ${language}`).toBe(all.length);
    }
  }
  expect(Object.keys(m.safety.checks).sort()).toEqual(states.map(([id]) => id).sort());
});

test('what is not good is put right by one click, or says how', () => {
  for (const [id, all] of states) {
    for (const state of all) {
      const found = find(check(id, state, { cameras: ['1', '2'], at: '2025-01-02T00:00:00Z' }), camera);
      if (state === 'good') expect(found?.fix).toBeUndefined();
      else if (!['network', 'vault', 'backup', 'clock'].includes(id)) expect(found?.fix, id).toBeDefined();
    }
  }
  expect(find(check('plain', 'bad', { cameras: ['1'] }), camera)?.fix).toEqual({ label: 'Go to Camera 1', href: '/cameras#1' });
  expect(find(check('open', 'advise', { names: ['Home'] }), camera)?.fix).toEqual({ label: 'Seal it again', act: 'seal' });
});

test('the worst comes first, and what is not known here is left out', () => {
  const all = findings([check('clock', 'good'), check('of tomorrow', 'bad'), check('owners', 'advise', { number: 1 }), check('plain', 'bad', { cameras: ['1'] }), ...ownCheck(undefined), ...ownCheck(true)], camera);
  expect(all.map((f) => f.id)).toEqual(['plain', 'owners', 'clock', 'certificate']);
  expect(find(check('retention', 'advise', { number: 12.5, wanted: 30 }), camera)?.text).toBe('You ask for 30 days, but only 12 days fit.');
  expect(find(check('retention', 'advise', { number: 50, wanted: 3 }), camera)?.text).toContain('3 days only');
});

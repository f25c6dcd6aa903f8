/** The box writes its sentences in English and gives each a code; every other language has words for all of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { use } from './m';
import { inWords } from './said';

const english = new Map(
  readFileSync(join(import.meta.dirname, '../../../../web/sentence/sentences.txt'), 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)] as const),
);
const values = (text: string) => [...new Set(text.match(/\{[a-z-]+\}/g))].sort();

afterEach(() => use('en'));

for (const [name, load] of [['de', () => import('./de/said')], ['fr', () => import('./fr/said')], ['es', () => import('./es/said')]] as const) {
  test(`${name} has words for every sentence of the box`, async () => {
    const said = (await load()).default;
    expect(Object.keys(said).sort()).toEqual([...english.keys()].sort());
    for (const [code, text] of Object.entries(said)) {
      const original = english.get(code) ?? '';
      // An identifier may be left out, nothing may be made up, and nothing is copied.
      expect(values(original), code).toEqual(expect.arrayContaining(values(text)));
      if (original.replace(/\{[a-z-]+\}/g, '').split(' ').length > 5) expect(text, code).not.toBe(original);
    }
  });
}

test('a sentence is said with its values, also those that are sentences', async () => {
  const said = { code: 'camera.unreachable', params: { host: '10.0.0.7:554', why: { code: 'why.no-answer-within', params: { time: '1m30s' } } } };
  expect(inWords('In English.', said)).toBe('In English.');
  await use('de');
  expect(inWords('In English.', said)).toBe('Die Kamera unter 10.0.0.7:554 ist nicht erreichbar: innerhalb von 1 min 30 s kam keine Antwort. Prüfe, ob sie Strom hat, ob sie in diesem Netz ist und ob Adresse und Port stimmen.');
  expect(inWords('It has been sending', { code: 'anomaly.rate', params: { rate: '12.5', times: '6', usual: '2.1' } })).toContain('12,5 Mbit/s');
});

test('what has no translation stays in the words of the box', async () => {
  await use('fr');
  expect(inWords('As it is.', undefined)).toBe('As it is.');
  expect(inWords('As it is.', { code: 'of.tomorrow' })).toBe('As it is.');
  expect(inWords('As it is.', { code: 'gap.index', params: { why: { code: 'of.tomorrow' } } })).toBe('As it is.');
  expect(inWords('As it is.', { code: 'toString' })).toBe('As it is.');
});

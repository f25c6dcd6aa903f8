import { expect, test } from 'vitest';
import { pick } from './m';
import { plural } from './plural';

test('the language is what was chosen, else what the browser wants first, else English', () => {
  expect(pick(null, ['nl-NL', 'de-AT', 'en'])).toEqual({ language: 'de', locale: 'de-AT' });
  expect(pick('fr', ['de-AT', 'fr-CH'])).toEqual({ language: 'fr', locale: 'fr-CH' });
  expect(pick('es', ['de-AT'])).toEqual({ language: 'es', locale: 'es' });
  expect(pick('toString', ['nl'])).toEqual({ language: 'en', locale: 'en' });
});

test('plurals follow the language', () => {
  expect(plural('fr', 0, { one: 'caméra', other: 'caméras' })).toBe('caméra');
  expect(plural('de', 0, { one: 'Kamera', other: 'Kameras' })).toBe('Kameras');
});

// A key that one language lacks does not compile; a text that was copied and forgotten does.
test('translations differ from English where they are sentences', async () => {
  const texts = (of: unknown, at: string): [string, string][] =>
    typeof of === 'string' ? [[at, of]] : typeof of === 'object' && of !== null ? Object.entries(of).flatMap(([key, value]) => texts(value, `${at}.${key}`)) : [];
  const english = new Map(texts((await import('./en')).messages, ''));
  for (const [name, load] of [['de', () => import('./de')], ['fr', () => import('./fr')], ['es', () => import('./es')]] as const) {
    const same = texts((await load()).messages, '').filter(([key, text]) => text.split(' ').length > 3 && english.get(key) === text);
    expect(same, name).toEqual([]);
  }
});

import { expect, test } from 'vitest';
import { fromBase64Url, toBase64Url } from './passkeys';
import { asked, device, sees } from './words';

test('a browser is named as people know it', () => {
  expect(device('Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36')).toBe('Chrome on Android');
  expect(device('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1')).toBe('Safari on iPhone');
  expect(device('curl/8.5')).toBe('curl/8.5');
  expect(device('')).toBe('Unknown device');
});

test('what a person sees is told by name', () => {
  const names = new Map([['a', 'Front door']]);
  expect(sees(null, names)).toBe('all cameras');
  expect(sees([], names)).toBe('no camera');
  expect(sees(['a', 'b'], names)).toBe('Front door, a removed camera');
});

test('ids of credentials travel as base64url', () => {
  const bytes = Uint8Array.of(251, 255, 191, 0);
  expect(toBase64Url(bytes)).toBe('-_-_AA');
  expect(fromBase64Url('-_-_AA')).toEqual(bytes);
});

test('what is asked of a second owner is told in the language of the person, or as the box says it', () => {
  expect(asked('remove the account Anna')).toBe('Remove the account Anna');
  expect(asked('hand out 3 recordings as evidence, the first of 2026-11-24 20:00:00 UTC')).toContain('Hand out 3 recordings');
  expect(asked('fly to the moon')).toBe('fly to the moon');
});

import { expect, test } from 'vitest';
import { proquint, suggestPassphrase } from './passphrase';

test('the words of the proposal: 127.0.0.1 is lusab-babad', () => {
  expect(`${proquint(0x7f00)}-${proquint(0x0001)}`).toBe('lusab-babad');
});

test('a suggestion has five words and is not the last one again', () => {
  expect(suggestPassphrase()).toMatch(/^([a-z]{5}-){4}[a-z]{5}$/);
  expect(suggestPassphrase()).not.toBe(suggestPassphrase());
});

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createIdentity, findIdentity, openSealed, recipientOf, sealTo, unwrap, wrap } from './identity';

const load = async (name: string) => new Uint8Array(await readFile(join(import.meta.dirname, 'testdata', name)));
const text = async (name: string) => new TextDecoder().decode(await load(name)).trim();

test('an identity wrapped by the Go library opens with its passphrase only', async () => {
  const wrapped = await load('wrapped.age');
  expect(await unwrap(wrapped, ' lusab-babad-gutih ')).toBe(await text('hybrid.key'));
  expect(await unwrap(wrapped, 'lusab-babad-gutix')).toBeUndefined();
});

test.each(['hybrid', 'x25519'] as const)('a %s identity survives wrapping', async (type) => {
  const { identity, recipient } = await createIdentity(type);
  expect(recipient.startsWith(type === 'hybrid' ? 'age1pq1' : 'age1')).toBe(true);
  const back = await unwrap(await wrap(identity, 'päss', 10), 'pa\u0308ss');
  expect(back).toBe(identity);
  expect(await recipientOf(identity)).toBe(recipient);
});

test.each(['hybrid', 'x25519'])('the recipient of a %s identity is the one the Go library gives', async (name) => {
  expect(await recipientOf(await text(`${name}.key`))).toBe(await text(`${name}.pub`));
});

test('an identity sealed to a person opens with their key only', async () => {
  const vault = await createIdentity('hybrid');
  const anna = await createIdentity('hybrid');
  const sealed = await sealTo(vault.identity, anna.recipient);
  expect(await openSealed(sealed, anna.identity)).toBe(vault.identity);
  expect(await openSealed(sealed, (await createIdentity('hybrid')).identity)).toBeUndefined();
});

test('an identity is found in what people paste', async () => {
  const key = await text('hybrid.key');
  const broken = `# Cardea recovery kit\n ${key.slice(0, 30).toLowerCase()} \n${key.slice(30)}\nkeep it safe`;
  expect(findIdentity(broken)).toBe(key);
  expect(findIdentity('AGE-SECRET-KEY-PQ-1ABC')).toBeUndefined();
  expect(await recipientOf(key.replace(/.$/, key.endsWith('A') ? 'Q' : 'A'))).toBeUndefined();
});

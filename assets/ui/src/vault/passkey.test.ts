import { expect, test } from 'vitest';
import { openWithPasskey, sealForPasskey } from './passkey';

const secret = new Uint8Array(32).fill(7);
const other = new Uint8Array(32).fill(8);
const identity = 'AGE-SECRET-KEY-PQ-1EXAMPLE';

test('what a passkey sealed opens with that passkey, and for that purpose only', async () => {
  const sealed = await sealForPasskey(secret, { vault: 'A' }, identity);
  expect(await openWithPasskey(secret, { vault: 'A' }, sealed)).toBe(identity);
  expect(await openWithPasskey(other, { vault: 'A' }, sealed)).toBeUndefined();
  expect(await openWithPasskey(secret, { vault: 'B' }, sealed)).toBeUndefined();
  expect(await openWithPasskey(secret, 'personal', sealed)).toBeUndefined();
  const changed = sealed.map((byte, i) => (i === 20 ? byte ^ 1 : byte));
  expect(await openWithPasskey(secret, { vault: 'A' }, changed)).toBeUndefined();
});

test('nothing of the identity shows in what is kept, and no two are alike', async () => {
  const [one, two] = [await sealForPasskey(secret, 'personal', identity), await sealForPasskey(secret, 'personal', identity)];
  expect(new TextDecoder('latin1').decode(one)).not.toContain('AGE-SECRET');
  expect(one).not.toEqual(two);
  expect(await openWithPasskey(secret, 'personal', two)).toBe(identity);
});

test('the format stays: a grant of the first version opens', async () => {
  // Made with Python's cryptography: HKDF-SHA256(secret, salt=b"", info) and AES-GCM with iv 00..0b, info as additional data.
  const sealed = Uint8Array.from(Buffer.from('000102030405060708090a0b2709b36a4c1bca44478b70ce558c029b304badfea0cd8d8e9437a11e8438c45b25cadb9045e4b78890c2', 'hex'));
  expect(await openWithPasskey(secret, { vault: '01HZX3V9Q4M8T2B6N7C5D1E0FG' }, sealed)).toBe(identity);
});

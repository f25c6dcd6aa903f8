import { expect, test } from 'vitest';
import { openKeys, sealKeys } from './sharekeys';

test('the keys of a link open with its key only', async () => {
  const keys = new Map([
    ['a', Uint8Array.from({ length: 16 }, (_, i) => i)],
    ['b', Uint8Array.from({ length: 16 }, (_, i) => 255 - i)],
  ]);
  const { key, sealed } = await sealKeys(keys);
  expect(key).toMatch(/^[\w-]{43}$/);
  expect(await openKeys(key, sealed)).toEqual(keys);
  expect(await openKeys((key.startsWith('A') ? 'B' : 'A') + key.slice(1), sealed)).toBeUndefined();
  expect(await openKeys(key, sealed.map((b, i) => (i === 30 ? b ^ 1 : b)))).toBeUndefined();
  expect(await openKeys('', sealed)).toBeUndefined();
  expect(await openKeys(key.slice(0, 20), sealed)).toBeUndefined();
  expect((await sealKeys(keys)).key).not.toBe(key);
});

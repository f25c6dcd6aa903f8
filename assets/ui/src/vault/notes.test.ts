import { expect, test } from 'vitest';
import { createIdentity } from './identity';
import { openText, sealText } from './notes';

test('words come back, with their own key and no other', async () => {
  const vault = await createIdentity('hybrid');
  const other = await createIdentity('hybrid');
  const words = 'Der Briefträger 📮 – um 14:05';
  const sealed = await sealText(words, vault.recipient);
  expect(new TextDecoder().decode(sealed.slice(0, 22))).toBe('age-encryption.org/v1\n');
  expect(new TextDecoder('latin1').decode(sealed)).not.toContain('Brief');
  expect(await openText(sealed, vault.identity)).toBe(words);
  await expect(openText(sealed, other.identity)).rejects.toThrow();
  // What 1,500 words take still fits into the 8 KiB of a note.
  expect((await sealText('word'.repeat(1500), vault.recipient)).length).toBeLessThan(8 << 10);
});

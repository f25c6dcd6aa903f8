/** A person's own key, to which owners seal vaults. */
import { put } from '../api/client';
import { m } from '../i18n/m';
import { toBase64 } from '../vault/base64';
import { keys } from '../vault/keys.svelte';

/** Makes it in the key worker, wrapped by the passphrase, and brings the public half to the box. Gives that half. Throws what to tell the person. */
export async function makeOwnKey(passphrase: string): Promise<string> {
  const { recipient, wrapped } = await keys.makePersonal(passphrase);
  const stored = await put('/api/account/key', { body: { recipient, wrapped: toBase64(wrapped) } });
  if (!stored.ok) throw new Error(stored.problem?.detail ?? m.vault.stopped);
  return recipient;
}

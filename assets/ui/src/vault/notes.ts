/** Notes of people, sealed as recordings are. Nothing outside the key worker imports it. */
import { Decrypter, Encrypter } from 'age-encryption';

/** Seals words to the recipient of a vault. */
export async function sealText(text: string, recipient: string): Promise<Uint8Array> {
  const age = new Encrypter();
  age.addRecipient(recipient);
  return age.encrypt(text);
}

/** The opposite, with the identity of that vault. Rejects where it was sealed to another. */
export async function openText(sealed: Uint8Array, identity: string): Promise<string> {
  const age = new Decrypter();
  age.addIdentity(identity);
  return age.decrypt(sealed, 'text');
}

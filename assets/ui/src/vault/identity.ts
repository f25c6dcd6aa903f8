/**
 * What the key worker does with identities: make, wrap, unwrap, compare. Nothing outside the worker imports it.
 */
import { Decrypter, Encrypter, generateHybridIdentity, generateX25519Identity, identityToRecipient } from 'age-encryption';

export type VaultType = 'hybrid' | 'x25519';

/**
 * scrypt with N = 2^17, r = 8 takes 128 MiB and about half a second on a current phone. The passphrase that Cardea
 * suggests has 80 bits, so the work factor is the second line, not the first.
 */
const workFactor = 17;

/** A new identity, as the line `AGE-SECRET-KEY-…` that stock age reads. */
export async function createIdentity(type: VaultType): Promise<{ identity: string; recipient: string }> {
  const identity = type === 'hybrid' ? await generateHybridIdentity() : await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** Seals the identity with a passphrase into an age file that `age -d` opens. */
export async function wrap(identity: string, passphrase: string, logN = workFactor): Promise<Uint8Array> {
  const age = new Encrypter();
  age.setPassphrase(normal(passphrase));
  age.setScryptWorkFactor(logN);
  return age.encrypt(`${identity}\n`);
}

/** Seals an identity to the public key of a person. */
export async function sealTo(identity: string, recipient: string): Promise<Uint8Array> {
  const age = new Encrypter();
  age.addRecipient(recipient);
  return age.encrypt(`${identity}\n`);
}

/** The opposite of sealTo, with the person's own identity; undefined where it was sealed to another. */
export async function openSealed(sealed: Uint8Array, personal: string): Promise<string | undefined> {
  const age = new Decrypter();
  age.addIdentity(personal);
  try {
    return findIdentity(await age.decrypt(sealed, 'text'));
  } catch {
    return undefined;
  }
}

/** The opposite of wrap; undefined where the passphrase is wrong. */
export async function unwrap(wrapped: Uint8Array, passphrase: string): Promise<string | undefined> {
  const age = new Decrypter();
  age.addPassphrase(normal(passphrase));
  try {
    return findIdentity(await age.decrypt(wrapped, 'text'));
  } catch {
    return undefined;
  }
}

/**
 * The identity in a text that a person pasted, typed, scanned or read from a file: other lines, blanks, line breaks and
 * small letters do not matter.
 */
export function findIdentity(text: string): string | undefined {
  const squeezed = text.toUpperCase().replace(/[\s\u200b]+/g, '');
  return /AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{58}/.exec(squeezed)?.[0];
}

/** The recipient of an identity; undefined where its checksum is wrong. */
export async function recipientOf(identity: string): Promise<string | undefined> {
  try {
    return await identityToRecipient(identity);
  } catch {
    return undefined;
  }
}

/** A passphrase is the same however it was typed. */
function normal(passphrase: string): string {
  return passphrase.normalize('NFKC').trim();
}

/**
 * What a passkey opens. Its authenticator derives a secret of 32 bytes (the prf extension of WebAuthn, from a salt that is the same for
 * all: the secret differs by passkey). From it one key each is made for every vault and for the personal key, so that what was sealed for
 * one never opens as another. Used by the key worker only.
 */
const ivBytes = 12;

/** What is sealed: the identity of a vault, by the vault's id, or the person's own key. */
export type Purpose = { vault: string } | 'personal';

const context = (purpose: Purpose) => new TextEncoder().encode(purpose === 'personal' ? 'cardea passkey personal key v1' : `cardea passkey grant v1 ${purpose.vault}`);

/** RFC 5869 with SHA-256. The secret is uniform, so the salt may be empty. */
async function keyOf(secret: Uint8Array<ArrayBuffer>, info: BufferSource, usage: KeyUsage): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
  return crypto.subtle.deriveKey({ name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info }, material, { name: 'AES-GCM', length: 256 }, false, [usage]);
}

/** Seals an identity: iv (12 bytes) | AES-256-GCM, with the purpose as additional data. */
export async function sealForPasskey(secret: Uint8Array<ArrayBuffer>, purpose: Purpose, identity: string): Promise<Uint8Array> {
  const about = context(purpose);
  const iv = crypto.getRandomValues(new Uint8Array(ivBytes));
  const key = await keyOf(secret, about, 'encrypt');
  const body = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: about }, key, new TextEncoder().encode(identity)));
  const sealed = new Uint8Array(ivBytes + body.length);
  sealed.set(iv);
  sealed.set(body, ivBytes);
  return sealed;
}

/** The opposite of sealForPasskey; undefined where it was sealed with another passkey or for something else. */
export async function openWithPasskey(secret: Uint8Array<ArrayBuffer>, purpose: Purpose, sealed: Uint8Array): Promise<string | undefined> {
  const about = context(purpose);
  try {
    const key = await keyOf(secret, about, 'decrypt');
    const plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: sealed.slice(0, ivBytes), additionalData: about }, key, sealed.slice(ivBytes));
    return new TextDecoder().decode(plain);
  } catch {
    return undefined;
  }
}

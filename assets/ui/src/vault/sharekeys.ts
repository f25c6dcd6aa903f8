/** The keys of clips that a link gives out, sealed under the key behind its #. Used by the key worker only. */
import { fromBase64, toBase64 } from './base64';

const context = new TextEncoder().encode('cardea share v1');
const ivBytes = 12;

const aead = (iv: Uint8Array<ArrayBuffer>): AesGcmParams => ({ name: 'AES-GCM', iv, additionalData: context });

/** Seals file keys, by clip, under a fresh key. The key is given in base64url. */
export async function sealKeys(fileKeys: Map<string, Uint8Array>): Promise<{ key: string; sealed: Uint8Array }> {
  const raw = crypto.getRandomValues(new Uint8Array(32));
  const iv = crypto.getRandomValues(new Uint8Array(ivBytes));
  const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt']);
  const plain = JSON.stringify({ v: 1, keys: Object.fromEntries([...fileKeys].map(([id, k]) => [id, toBase64(k)])) });
  const body = new Uint8Array(await crypto.subtle.encrypt(aead(iv), key, new TextEncoder().encode(plain)));
  const sealed = new Uint8Array(ivBytes + body.length);
  sealed.set(iv);
  sealed.set(body, ivBytes);
  return { key: toBase64(raw).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, ''), sealed };
}

/** The opposite of sealKeys; undefined where the key is not the one of the link. */
export async function openKeys(key: string, sealed: Uint8Array): Promise<Map<string, Uint8Array> | undefined> {
  try {
    const raw = fromBase64(key.replace(/-/g, '+').replace(/_/g, '/'));
    if (raw.length !== 32) return undefined;
    const imported = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['decrypt']);
    const plain = await crypto.subtle.decrypt(aead(sealed.slice(0, ivBytes)), imported, sealed.slice(ivBytes));
    const { v, keys } = JSON.parse(new TextDecoder().decode(plain)) as { v: number; keys: Record<string, string> };
    if (v !== 1) return undefined;
    return new Map(Object.entries(keys).map(([id, text]) => [id, fromBase64(text)]));
  } catch {
    return undefined;
  }
}

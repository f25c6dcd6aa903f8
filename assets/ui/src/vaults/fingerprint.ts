/** The fingerprint of a public key, for two people to compare: the box that stores the key could put another in its place. */
import { sha256 } from '@noble/hashes/sha2.js';

export function fingerprintOf(recipient: string): string {
  const digest = sha256(new TextEncoder().encode(recipient));
  const text = Array.from(digest.slice(0, 16), (b) => b.toString(16).padStart(2, '0')).join('');
  return (text.match(/.{4}/g) ?? []).join(' ');
}

/**
 * What a witness of a log computes: Merkle proofs as in RFC 9162, sections 2.1.3.2 and 2.1.4.2, and signed notes as in
 * C2SP signed-note and tlog-checkpoint. Nothing here talks to the box.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../bytes';
import { fromBase64 } from '../vault/base64';

/** A checkpoint as the box gives it, and as a witness remembers it. */
export interface Checkpoint {
  size: number;
  /** Base64. */
  root: string;
  /** The signed note. */
  checkpoint: string;
  vkey: string;
}

/** A public key of a log. */
export interface LogKey {
  name: string;
  id: Uint8Array;
  key: Uint8Array<ArrayBuffer>;
}

const node = (left: Uint8Array, right: Uint8Array) => sha256(concat([Uint8Array.of(1), left, right]));

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

// Sizes are numbers up to 2^53, which bit operators of this language cut to 32 bits.
const odd = (n: number) => n % 2 === 1;
const half = (n: number) => Math.floor(n / 2);

/** Whether a log of `size` records with `root` goes on from one of `old` records with `oldRoot`: nothing was changed or taken out. */
export function consistent(old: number, oldRoot: Uint8Array, size: number, root: Uint8Array, proof: Uint8Array[]): boolean {
  if (old === size) return proof.length === 0 && equal(oldRoot, root);
  if (old === 0) return proof.length === 0;
  if (old < 0 || old > size) return false;
  const path = [...proof];
  // Where the old log is a whole subtree, its root is the first node of the path and is not sent.
  if (Number.isInteger(Math.log2(old))) path.unshift(oldRoot);
  const first = path.shift();
  if (!first) return false;
  let fn = old - 1;
  let sn = size - 1;
  while (odd(fn)) {
    fn = half(fn);
    sn = half(sn);
  }
  let fr = first;
  let sr = first;
  for (const c of path) {
    if (sn === 0) return false;
    if (odd(fn) || fn === sn) {
      fr = node(c, fr);
      sr = node(c, sr);
      while (!odd(fn) && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      sr = node(sr, c);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && equal(fr, oldRoot) && equal(sr, root);
}

/** Whether a log of `size` records with `root` holds `leaf` as its record `seq`, counted from 0. */
export function includes(seq: number, leaf: Uint8Array, size: number, root: Uint8Array, proof: Uint8Array[]): boolean {
  if (seq < 0 || seq >= size) return false;
  let fn = seq;
  let sn = size - 1;
  let r = leaf;
  for (const p of proof) {
    if (sn === 0) return false;
    if (odd(fn) || fn === sn) {
      r = node(p, r);
      while (!odd(fn) && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      r = node(r, p);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && equal(r, root);
}

/** Reads `name+hash+key`. Undefined where it is none, or its hash is not that of its key. */
export function parseKey(vkey: string): LogKey | undefined {
  const parts = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(vkey.trim());
  const [, name, hash, text] = parts ?? [];
  if (!name || !hash || !text) return undefined;
  let key: Uint8Array<ArrayBuffer>;
  try {
    key = fromBase64(text);
  } catch {
    return undefined;
  }
  if (key.length !== 33 || key[0] !== 1) return undefined;
  const id = sha256(concat([new TextEncoder().encode(`${name}\n`), key])).slice(0, 4);
  return hex(id) === hash ? { name, id, key: key.slice(1) } : undefined;
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** The fingerprint of a log's key, in fours, for people to compare. */
export function fingerprint(vkey: string): string {
  const key = parseKey(vkey);
  return key ? (hex(sha256(key.key)).slice(0, 32).match(/.{4}/g) ?? []).join(' ') : '';
}

/** Whether the note of a checkpoint says what the box says beside it, signed by the key of the log. */
export async function signed(c: Checkpoint): Promise<boolean> {
  const key = parseKey(c.vkey);
  const split = c.checkpoint.indexOf('\n\n');
  if (!key || split < 0) return false;
  const text = c.checkpoint.slice(0, split + 1);
  const [origin, size, root] = text.split('\n');
  if (origin !== key.name || size !== String(c.size) || root !== c.root) return false;
  const marker = `— ${key.name} `;
  for (const line of c.checkpoint.slice(split + 2).split('\n')) {
    if (!line.startsWith(marker)) continue;
    let signature: Uint8Array<ArrayBuffer>;
    try {
      signature = fromBase64(line.slice(marker.length));
    } catch {
      continue;
    }
    if (signature.length !== 68 || !equal(signature.slice(0, 4), key.id)) continue;
    return verify(key.key, signature.slice(4), new TextEncoder().encode(text));
  }
  return false;
}

/** Checks an Ed25519 signature, in script where the browser does not know how to. */
async function verify(key: Uint8Array<ArrayBuffer>, signature: Uint8Array<ArrayBuffer>, text: Uint8Array<ArrayBuffer>): Promise<boolean> {
  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
  } catch {
    const { ed25519 } = await import('@noble/curves/ed25519.js');
    return ed25519.verify(signature, text, key);
  }
  return crypto.subtle.verify('Ed25519', imported, signature, text);
}

/** What is wrong with a log, in the order of what a person should know first. */
export type Alarm = 'signature' | 'key' | 'rollback' | 'fork';

/** Gives the consistency proof between two sizes, from the box. */
export type Prover = (old: number, size: number) => Promise<string[]>;

/**
 * Compares what the box says of a log now with what was remembered of it. Undefined where all is well.
 *
 * @throws what `prove` throws. That is no verdict: the box may just not be there.
 */
export async function judge(known: Checkpoint | undefined, now: Checkpoint, prove: Prover): Promise<Alarm | undefined> {
  if (!(await signed(now))) return 'signature';
  if (!known) return undefined;
  if (known.vkey !== now.vkey) return 'key';
  if (now.size < known.size) return 'rollback';
  const proof = now.size > known.size && known.size > 0 ? await prove(known.size, now.size) : [];
  let good = false;
  try {
    good = consistent(known.size, fromBase64(known.root), now.size, fromBase64(now.root), proof.map(fromBase64));
  } catch {
    // Not base64: no proof.
  }
  return good ? undefined : 'fork';
}

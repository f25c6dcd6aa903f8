/**
 * The payload of an age v1 file, read at random (C2SP age.md, "Payload").
 *
 * The payload is a row of chunks of 64 KiB, each sealed alone with ChaCha20-Poly1305 under a nonce that holds its
 * number and whether it is the last. So a player fetches just the chunks that hold what it wants. A chunk that opens
 * is authentic and in its place; that nothing is missing behind it is known only once the last one has opened too.
 */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../bytes';

/** Plaintext bytes of a chunk; only the last one may be shorter. */
export const chunkBytes = 64 * 1024;
const tagBytes = 16;
/** Bytes of a full chunk in the file. */
export const sealedChunkBytes = chunkBytes + tagBytes;
const nonceBytes = 16;

/** What is wrong with a file: changed after it was written, shorter than the index says, or sealed for another vault. */
export type SealFault = 'changed' | 'short' | 'other-vault';

/** The file is not what its maker wrote. */
export class SealError extends Error {
  constructor(readonly fault: SealFault) {
    super(fault);
  }
}

/**
 * Splits the start of an age file. Returns the header with its MAC, the payload nonce and the offset of the first
 * chunk, or undefined while `start` holds too little.
 */
export function splitHeader(start: Uint8Array): { header: Uint8Array; nonce: Uint8Array; payload: number } | undefined {
  // The MAC line is the only one that starts with "---": "--- " and 43 characters of base64.
  for (let i = 0; i + 49 <= start.length; i++) {
    if (start[i] !== 10 || start[i + 1] !== 45 || start[i + 2] !== 45 || start[i + 3] !== 45) continue;
    const end = start.indexOf(10, i + 1) + 1;
    if (end === 0 || end + nonceBytes > start.length) return undefined;
    return { header: start.slice(0, end), nonce: start.slice(end, end + nonceBytes), payload: end + nonceBytes };
  }
  return undefined;
}

/** The key of the payload, from the file key that the header gave and the nonce behind it. */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return hkdf(sha256, fileKey, nonce, new TextEncoder().encode('payload'), 32);
}

/** One cipher with one key. `open` throws where the tag does not fit. */
export interface ChunkCipher {
  open(nonce: Uint8Array, sealed: Uint8Array): Promise<Uint8Array>;
}

class ScriptCipher implements ChunkCipher {
  constructor(private readonly key: Uint8Array) {}
  async open(nonce: Uint8Array, sealed: Uint8Array): Promise<Uint8Array> {
    return chacha20poly1305(this.key, nonce).decrypt(sealed);
  }
}

class NativeCipher implements ChunkCipher {
  constructor(private readonly key: CryptoKey) {}
  async open(nonce: Uint8Array, sealed: Uint8Array): Promise<Uint8Array> {
    const algorithm = { name: 'ChaCha20-Poly1305', iv: nonce, tagLength: 128 };
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, this.key, sealed as BufferSource));
  }
}

let native: boolean | undefined;

/** The browser's own ChaCha20-Poly1305 where it has one (about six times faster), else the one in script. */
export async function chunkCipher(key: Uint8Array, allowNative = true): Promise<ChunkCipher> {
  if (allowNative && native !== false) {
    try {
      const format = 'raw-secret' as 'raw'; // younger than the type definitions
      const imported = await crypto.subtle.importKey(format, key as BufferSource, { name: 'ChaCha20-Poly1305' }, false, ['decrypt']);
      native = true;
      return new NativeCipher(imported);
    } catch {
      native = false;
    }
  }
  return new ScriptCipher(key);
}

/** Where the chunks of a payload are, for a file of `size` bytes whose first chunk is at `start`. */
export class Layout {
  readonly chunks: number;
  /** Plaintext bytes that can be read. */
  readonly plain: number;

  /**
   * A complete file ends in its last chunk. A torn or open one may end anywhere: what follows its last whole chunk is
   * left out.
   *
   * @throws SealError where a complete file of that size cannot exist.
   */
  constructor(
    readonly start: number,
    readonly size: number,
    readonly complete: boolean,
  ) {
    const body = Math.max(0, size - start);
    const rest = body % sealedChunkBytes;
    const full = (body - rest) / sealedChunkBytes;
    if (!complete) {
      this.chunks = full;
      this.plain = full * chunkBytes;
      return;
    }
    // An empty last chunk is allowed only as the first one.
    if (body < tagBytes || (rest > 0 && rest < tagBytes) || (rest === tagBytes && full > 0)) {
      throw new SealError('short');
    }
    this.chunks = full + (rest > 0 ? 1 : 0);
    this.plain = body - this.chunks * tagBytes;
  }

  /** The chunks that hold plaintext bytes [from, to), and where they are in the file (end exclusive). */
  span(from: number, to: number): { first: number; last: number; begin: number; end: number } {
    const first = Math.floor(from / chunkBytes);
    const last = Math.min(this.chunks, Math.ceil(to / chunkBytes)) - 1;
    const begin = this.start + first * sealedChunkBytes;
    const end = Math.min(this.size, this.start + (last + 1) * sealedChunkBytes);
    return { first, last, begin, end };
  }
}

/** Nonce of a chunk: 11 bytes of counter, big-endian, and a byte that is 1 for the last chunk. */
export function chunkNonce(index: number, last: boolean): Uint8Array {
  const nonce = new Uint8Array(12);
  for (let i = 10, n = index; n > 0 && i >= 0; i--, n = Math.floor(n / 256)) nonce[i] = n % 256;
  nonce[11] = last ? 1 : 0;
  return nonce;
}

/**
 * Opens chunks `first` and following of `sealed`, in order, into one piece of plaintext.
 *
 * @throws SealError where a chunk was changed, moved or cut.
 */
export async function openChunks(cipher: ChunkCipher, layout: Layout, first: number, sealed: Uint8Array): Promise<Uint8Array> {
  const count = Math.ceil(sealed.length / sealedChunkBytes);
  const jobs: Promise<Uint8Array>[] = [];
  for (let i = 0; i < count; i++) {
    const piece = sealed.subarray(i * sealedChunkBytes, (i + 1) * sealedChunkBytes);
    const index = first + i;
    const last = layout.complete && index === layout.chunks - 1;
    jobs.push(openOne(cipher, index, last, layout.complete, piece));
  }
  const parts = await Promise.all(jobs);
  const only = parts[0];
  if (parts.length === 1 && only) return only;
  return concat(parts);
}

async function openOne(cipher: ChunkCipher, index: number, last: boolean, complete: boolean, piece: Uint8Array): Promise<Uint8Array> {
  try {
    return await cipher.open(chunkNonce(index, last), piece);
  } catch {
    // A file that was just completed may still be called open: its last chunk can be a full one.
    if (!complete) {
      try {
        return await cipher.open(chunkNonce(index, true), piece);
      } catch {
        // told below
      }
    }
    throw new SealError('changed');
  }
}

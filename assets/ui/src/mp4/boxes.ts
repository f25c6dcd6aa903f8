/**
 * Boxes of MP4 files (ISO/IEC 14496-12), as far as clips have them. Everything here reads bytes that were opened by the
 * vault and checked; what cannot be a box gives a FormatError and never a wrong picture.
 */
import { concat } from '../bytes';

export class FormatError extends Error {}

export interface Box {
  type: string;
  /** Where the box begins, and where what is in it begins and ends, from the start of the bytes. */
  at: number;
  body: number;
  end: number;
}

/** The boxes of bytes [from, to), in order. A box that is cut off at the end is left out. */
export function boxes(bytes: Uint8Array, from = 0, to = bytes.length): Box[] {
  const view = viewOf(bytes);
  const found: Box[] = [];
  for (let at = from; at + 8 <= to; ) {
    let size = view.getUint32(at);
    let body = at + 8;
    if (size === 1) {
      if (at + 16 > to) break;
      size = Number(view.getBigUint64(at + 8));
      body = at + 16;
    } else if (size === 0) size = to - at;
    if (size < body - at) throw new FormatError(`a box of ${size} bytes`);
    if (at + size > to) break;
    found.push({ type: String.fromCharCode(...bytes.subarray(at + 4, at + 8)), at, body, end: at + size });
    at += size;
  }
  return found;
}

/** The first box by a path of types, such as moov, trak, mdia. */
export function find(bytes: Uint8Array, path: string[], from = 0, to = bytes.length): Box | undefined {
  const [first, ...rest] = path;
  const box = boxes(bytes, from, to).find((b) => b.type === first);
  return box && rest.length > 0 ? find(bytes, rest, box.body, box.end) : box;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A box around what is in it. */
export function box(type: string, ...body: (Uint8Array | number[])[]): Uint8Array<ArrayBuffer> {
  const parts = body.map((b) => (b instanceof Uint8Array ? b : Uint8Array.from(b)));
  const out = concat([new Uint8Array(8), ...parts]);
  viewOf(out).setUint32(0, out.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  return out;
}

/** Big-endian numbers of 32 bits. */
export function u32(...numbers: number[]): Uint8Array {
  const out = new Uint8Array(numbers.length * 4);
  numbers.forEach((n, i) => viewOf(out).setUint32(i * 4, n >>> 0));
  return out;
}

/** A big-endian number of 64 bits. */
export function u64(n: number): Uint8Array {
  const out = new Uint8Array(8);
  viewOf(out).setBigUint64(0, BigInt(Math.max(0, Math.round(n))));
  return out;
}

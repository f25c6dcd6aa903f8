import { Decrypter } from 'age-encryption';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chunkBytes, chunkCipher, chunkNonce, Layout, openChunks, payloadKey, SealError, sealedChunkBytes, splitHeader } from './stream';

// Files made by filippo.io/age 1.3.2, the library of the recorder.
const load = async (name: string) => new Uint8Array(await readFile(join(import.meta.dirname, 'testdata', name)));
const text = async (name: string) => new TextDecoder().decode(await load(name)).trim();
const plain = (n: number) => Uint8Array.from({ length: n }, (_, i) => i * 7 + (i >> 8) * 13);

async function open(name: string, key: string, options: { cut?: number; complete?: boolean } = {}) {
  let file = await load(name);
  if (options.cut) file = file.slice(0, file.length - options.cut);
  const head = splitHeader(file);
  if (!head) throw new Error('no header');
  const age = new Decrypter();
  age.addIdentity(await text(key));
  const cipher = await chunkCipher(payloadKey(await age.decryptHeader(head.header), head.nonce));
  const layout = new Layout(head.payload, file.length, options.complete ?? true);
  const read = async (from: number, to: number) => {
    const span = layout.span(from, to);
    const out = await openChunks(cipher, layout, span.first, file.subarray(span.begin, span.end));
    return out.subarray(from - span.first * chunkBytes, to - span.first * chunkBytes);
  };
  return { file, layout, cipher, read };
}

describe('complete files', () => {
  test.each([
    ['hybrid-131073.age', 'hybrid.key', 131073],
    ['x25519-65536.age', 'x25519.key', 65536],
    ['x25519-0.age', 'x25519.key', 0],
  ])('%s opens at random', async (name, key, size) => {
    const clip = await open(name, key);
    expect(clip.layout.plain).toBe(size);
    const want = plain(size);
    for (const [from, to] of [[0, 1], [0, size], [65535, 65537], [131072, 131073], [70000, 70010]] as const) {
      if (to > size) continue;
      expect(await clip.read(from, to)).toEqual(want.subarray(from, to));
    }
  });

  test('only the chunks that hold the range are asked for', async () => {
    const { layout } = await open('hybrid-131073.age', 'hybrid.key');
    const span = layout.span(70000, 70010);
    expect(span).toMatchObject({ first: 1, last: 1, begin: layout.start + sealedChunkBytes, end: layout.start + 2 * sealedChunkBytes });
  });

  test('a changed byte is noticed', async () => {
    const clip = await open('hybrid-131073.age', 'hybrid.key');
    const at = clip.layout.start + sealedChunkBytes + 5;
    clip.file.fill((clip.file[at] ?? 0) ^ 1, at, at + 1);
    await expect(clip.read(0, 65536)).resolves.toBeDefined();
    await expect(clip.read(65536, 65537)).rejects.toThrow(SealError);
  });

  test('a file cut at a chunk border is not complete', async () => {
    const clip = await open('hybrid-131073.age', 'hybrid.key', { cut: 17 });
    await expect(clip.read(65536, 131072)).rejects.toThrow(SealError);
  });

  test('impossible sizes are refused', () => {
    expect(() => new Layout(100, 100, true)).toThrow(SealError);
    expect(() => new Layout(100, 110, true)).toThrow(SealError);
    expect(() => new Layout(100, 100 + sealedChunkBytes + 16, true)).toThrow(SealError);
  });
});

describe('torn and open files', () => {
  test('read to the last whole chunk', async () => {
    const clip = await open('hybrid-131073.age', 'hybrid.key', { cut: 18, complete: false });
    expect(clip.layout.plain).toBe(65536);
    expect(await clip.read(0, 65536)).toEqual(plain(65536));
  });

  test('a full last chunk opens although the file is called open', async () => {
    const clip = await open('x25519-65536.age', 'x25519.key', { complete: false });
    expect(await clip.read(0, 65536)).toEqual(plain(65536));
  });

  test('a header alone holds nothing', async () => {
    const file = await load('hybrid-131073.age');
    const head = splitHeader(file);
    expect(new Layout(head?.payload ?? 0, head?.payload ?? 0, false).plain).toBe(0);
    expect(splitHeader(file.subarray(0, (head?.payload ?? 0) - 1))).toBeUndefined();
  });
});

test('nonces count in eleven bytes', () => {
  expect([...chunkNonce(0x01020304, true)]).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 1]);
});

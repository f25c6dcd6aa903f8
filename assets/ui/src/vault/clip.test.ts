import { Decrypter } from 'age-encryption';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Clip, type Fetcher } from './clip';
import { SealError, splitHeader } from './stream';

const path = (name: string) => join(import.meta.dirname, 'testdata', name);
const plain = (n: number) => Uint8Array.from({ length: n }, (_, i) => i * 7 + (i >> 8) * 13);
const signal = new AbortController().signal;

async function open(change: Partial<{ bytes: number; complete: boolean; headerBytes: number }> = {}) {
  const file = new Uint8Array(await readFile(path('hybrid-131073.age')));
  const key = (await readFile(path('hybrid.key'), 'utf8')).trim();
  const asked: [number, number][] = [];
  const fetcher: Fetcher = async (_, begin, end) => {
    asked.push([begin, end]);
    return { bytes: file.slice(begin, end), size: file.length };
  };
  const info = { id: 'c', vault: 'v', bytes: file.length, headerBytes: splitHeader(file)?.payload ?? 0, complete: true, ...change };
  const clip = new Clip(info, fetcher, async (_, header) => {
    const age = new Decrypter();
    age.addIdentity(key);
    return age.decryptHeader(header);
  });
  return { clip, asked, info };
}

test('a seek costs the header and the chunks it needs', async () => {
  const { clip, asked, info } = await open();
  expect(await clip.read(0, 100, signal)).toEqual(plain(100));
  expect(asked).toHaveLength(1);
  expect(await clip.read(70000, 70100, signal)).toEqual(plain(70100).subarray(70000));
  expect(asked.slice(1)).toEqual([[info.headerBytes + 65552, info.headerBytes + 2 * 65552]]);
  expect(clip.verified).toBe(false);
});

test('reading on fetches no chunk twice, and the last chunk makes it verified', async () => {
  const { clip, asked } = await open();
  const out: number[] = [];
  for (let at = 0; at < 131073; at += 40000) {
    out.push(...(await clip.read(at, Math.min(131073, at + 40000), signal)));
    expect(clip.verified).toBe(at + 40000 >= 131073);
  }
  expect(Uint8Array.from(out)).toEqual(plain(131073));
  const fetched = asked.slice(1).reduce((n, [begin, end]) => n + end - begin, 0);
  expect(fetched).toBe(65552 + 17);
});

test('a range over all chunks in one piece', async () => {
  const { clip } = await open();
  expect(await clip.read(10, 131073, signal)).toEqual(plain(131073).subarray(10));
  expect(clip.verified).toBe(true);
});

test('a torn clip gives what is whole and is never verified', async () => {
  const { clip, info } = await open();
  clip.update({ ...info, bytes: info.bytes - 20, complete: false });
  expect(await clip.read(0, 131073, signal)).toEqual(plain(65536));
  expect(clip.verified).toBe(false);
});

test('an index that does not fit the file is noticed', async () => {
  await expect((await open({ headerBytes: 1000 })).clip.read(0, 1, signal)).rejects.toThrow(SealError);
  await expect((await open({ bytes: 200_000 })).clip.read(131072, 140_000, signal)).rejects.toThrow(SealError);
});

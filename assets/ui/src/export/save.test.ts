import { beforeEach, expect, test, vi } from 'vitest';
import { concat } from '../bytes';
import { box, u32, u64 } from '../mp4/boxes';
import { readParts } from '../mp4/fragment';
import type { Run } from './plan';
import { save } from './save';
import type { Sink } from './sink';

const text = (s: string) => Uint8Array.from(s, (c) => c.charCodeAt(0));
const trak = box('trak', box('tkhd', u32(7, 0, 0, 1, 0, 0)), box('mdia', box('mdhd', u32(0, 0, 0, 1000, 0, 0)), box('hdlr', u32(0, 0), text('vide')), box('minf', box('stbl', box('stsd', u32(0, 1), box('avc1', new Uint8Array(78)))))));
const init = concat([box('ftyp', text('isom')), box('moov', box('mvhd', u32(0, 0, 0, 1000, 0)), trak)]);

/** A part of one picture that lasts a second. */
function part(dts: number): Uint8Array {
  const moof = (offset: number) => box('moof', box('mfhd', u32(0, 1)), box('traf', box('tfhd', u32(0x020000, 1)), box('tfdt', u32(1 << 24), u64(dts)), box('trun', u32(0x01000701, 1, offset, 1000, 4, 0x02000000))));
  return concat([moof(moof(0).length + 8), box('mdat', [1, 2, 3, 4])]);
}

const plain = concat([init, part(0), part(1000), part(2000)]);
const size = part(0).length;
const asked: [number, number][] = [];
let fail: Error | undefined;

vi.mock('../vault/keys.svelte', () => ({
  keys: {
    async ask(_: string, { from, to }: { from: number; to: number }) {
      asked.push([from, to]);
      if (fail) throw fail;
      return { bytes: plain.slice(from, Math.min(to, plain.length)).buffer, verified: false };
    },
  },
}));

function piece(id: string, first: number, end: number): Run['pieces'][number] {
  const parts = [0, 1, 2].map((n) => ({ start: new Date(n * 1000).toISOString(), offset: init.length + n * size, key: true }));
  const at = new Date(0).toISOString();
  return { clip: { id, vault: 'v', start: at, end: at, bytes: 9000, mime: '', header_bytes: 1, init_bytes: init.length, complete: true, open: false, torn: false, parts }, first, end };
}
const run = (...pieces: Run['pieces']): Run => ({ camera: 'c', init, pieces, from: 0, to: 3000, bytes: 0 });

let written: Uint8Array<ArrayBuffer>[] = [];
let ended = '';
const sink: Sink = {
  write: async (bytes) => void written.push(bytes),
  close: async () => void (ended = 'closed'),
  abort: async () => void (ended = 'aborted'),
};

beforeEach(() => {
  written = [];
  ended = '';
  asked.length = 0;
  fail = undefined;
});

test('pieces of two clips become one film', async () => {
  let opened = 0;
  await save(run(piece('a', 1, 3), piece('b', 0, 1)), sink, (n) => (opened += n), new AbortController().signal);
  const film = concat(written);
  expect(readParts(film).map((p) => p.runs[0]?.dts)).toEqual([0, 1000, 2000]);
  expect(ended).toBe('closed');
  expect(opened).toBe(3 * size);
});

test('whoever cancels leaves nothing behind', async () => {
  const job = new AbortController();
  job.abort();
  await expect(save(run(piece('a', 0, 3)), sink, () => undefined, job.signal)).rejects.toThrow();
  expect(ended).toBe('aborted');
});

test('a clip that was changed ends it', async () => {
  fail = new Error('changed');
  await expect(save(run(piece('a', 0, 3)), sink, () => undefined, new AbortController().signal)).rejects.toThrow('changed');
  expect(ended).toBe('aborted');
});

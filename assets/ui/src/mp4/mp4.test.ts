import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { concat } from '../bytes';
import { box, boxes, FormatError, u32, u64 } from './boxes';
import { picturePart, readInit, readParts } from './fragment';
import { joinable, Joiner } from './join';

// A file as small as they come: a picture track (90 kHz) and a sound track (8 kHz), one part for each call of `part`.
const text = (s: string) => Uint8Array.from(s, (c) => c.charCodeAt(0));
const sampleEntry = box('avc1', new Uint8Array(24), [0, 64, 0, 48], new Uint8Array(50), box('avcC', [1, 2, 3]));
function trak(id: number, handler: string, scale: number, entry: Uint8Array): Uint8Array {
  return box('trak', box('tkhd', u32(7, 0, 0, id, 0, 0)), box('mdia', box('mdhd', u32(0, 0, 0, scale, 0, 0)), box('hdlr', u32(0, 0), text(handler)), box('minf', box('stbl', box('stsd', u32(0, 1), entry)))));
}
const init = (entry = sampleEntry) =>
  concat([box('ftyp', text('isom')), box('moov', box('mvhd', u32(0, 0, 0, 1000, 0)), trak(1, 'vide', 90_000, entry), trak(2, 'soun', 8000, box('fLaC', u32(1, 2, 3))))]);

function part(video: number, audio: number, pictures = 2): Uint8Array {
  const sizes = Array.from({ length: pictures }, (_, i) => 10 + i);
  const make = (a: number, b: number) =>
    box(
      'moof',
      box('mfhd', u32(0, 1)),
      box('traf', box('tfhd', u32(0x020000, 1)), box('tfdt', u32(1 << 24), u64(video)), box('trun', u32(0x01000f01, pictures, a), ...sizes.map((size, i) => u32(3600, size, i === 0 ? 0x02000000 : 0x01010000, i * 10)))),
      box('traf', box('tfhd', u32(0x020020, 2, 0x02000000)), box('tfdt', u32(1 << 24), u64(audio)), box('trun', u32(0x301, 1, b), u32(640, 5))),
    );
  const length = make(0, 0).length + 8;
  const total = sizes.reduce((n, s) => n + s, 0);
  return concat([make(length, length + total), box('mdat', new Uint8Array(total).fill(7), new Uint8Array(5).fill(9))]);
}

describe('reading', () => {
  test('an init segment', () => {
    const [video, audio] = readInit(init());
    expect(video).toMatchObject({ id: 1, kind: 'video', scale: 90_000, width: 64, height: 48 });
    expect([...(video?.config ?? [])]).toEqual([1, 2, 3]);
    expect(audio).toMatchObject({ id: 2, kind: 'audio', scale: 8000, config: undefined });
  });

  test('parts with their samples', () => {
    const bytes = concat([part(100, 50), part(7300, 690, 3)]);
    const [first, second] = readParts(bytes);
    expect(first?.runs[0]).toMatchObject({ track: 1, dts: 100, end: 7300 });
    expect(first?.runs[0]?.samples.map((s) => [s.key, s.size, s.dts, s.cts])).toEqual([[true, 10, 100, 0], [false, 11, 3700, 10]]);
    const sound = first?.runs[1]?.samples[0];
    expect(bytes.subarray(sound?.at, (sound?.at ?? 0) + 5)).toEqual(new Uint8Array(5).fill(9));
    expect(second).toMatchObject({ at: first?.end, end: bytes.length });
  });

  test('a part whose end is not there yet says where it would end', () => {
    const whole = part(0, 0);
    const [cut] = readParts(whole.subarray(0, whole.length - 9));
    expect(cut?.end).toBe(whole.length);
    expect(cut?.runs[0]?.samples[0]?.size).toBe(10);
  });

  test('what is no MP4 is said, or is nothing', () => {
    expect(() => boxes(Uint8Array.of(0, 0, 0, 4, 1, 2, 3, 4))).toThrow(FormatError);
    expect(() => readInit(new Uint8Array(40))).toThrow(FormatError);
    expect(readParts(text('a cat, not a film'))).toEqual([]);
    for (let cut = 1; cut < 300; cut++) {
      const bytes = part(1, 2).slice(0, -1);
      bytes[cut % bytes.length] = 255;
      try {
        readParts(bytes);
      } catch (error) {
        expect(error instanceof FormatError || error instanceof RangeError).toBe(true);
      }
    }
  });
});

describe('joining', () => {
  test('times go on over clips, sound stays beside the picture, parts are numbered through', () => {
    const joiner = new Joiner(init());
    const out = [joiner.begin(Date.UTC(2026, 10, 24))];
    out.push(joiner.add(concat([part(9000, 800), part(16_200, 1440)]))); // a clip from its middle on
    joiner.cut();
    out.push(joiner.add(part(0, 0)));
    out.push(joiner.end());
    const file = concat(out);
    expect(boxes(file).map((b) => b.type)).toEqual(['ftyp', 'moov', 'moof', 'mdat', 'moof', 'mdat', 'moof', 'mdat', 'mfra']);
    const parts = readParts(file);
    expect(parts.map((p) => p.runs[0]?.dts)).toEqual([0, 7200, 14_400]);
    expect(parts.map((p) => p.runs[1]?.dts)).toEqual([0, 640, 1280]);
    expect(parts.map((p) => new DataView(file.buffer).getUint32(p.sequenceAt))).toEqual([1, 2, 3]);
    expect(joiner.seconds).toBeCloseTo(0.24);
    // Each entry of the index points at a moof.
    const mfra = boxes(file).at(-1);
    const first = Number(new DataView(file.buffer).getBigUint64((mfra?.body ?? 0) + 8 + 16 + 8));
    expect(first).toBe(parts[0]?.at);
  });

  test('sound of the next clip never reaches back', () => {
    const joiner = new Joiner(init());
    joiner.begin(0);
    joiner.add(part(0, 500));
    joiner.cut();
    const [next] = readParts(joiner.add(part(0, 0)));
    expect(next?.runs[1]?.dts).toBe(1140);
  });

  test('a torn end is left out', () => {
    const joiner = new Joiner(init());
    joiner.begin(0);
    const whole = part(0, 0);
    expect(joiner.add(concat([whole, part(7200, 640).slice(0, -3)]))).toHaveLength(whole.length);
  });

  test('other parameter sets need another file', () => {
    expect(joinable(init(), init())).toBe(true);
    expect(joinable(init(), init(box('avc1', new Uint8Array(78), box('avcC', [1, 2, 4]))))).toBe(false);
  });
});

test('one picture as a part of its own', () => {
  const bytes = picturePart(1, 2 ** 33, 90_000, text('picture'));
  const [only] = readParts(bytes);
  expect(only?.runs[0]).toMatchObject({ track: 1, dts: 2 ** 33, end: 2 ** 33 + 90_000 });
  const sample = only?.runs[0]?.samples[0];
  expect(sample?.key).toBe(true);
  expect(bytes.subarray(sample?.at, (sample?.at ?? 0) + 7)).toEqual(text('picture'));
});

describe('a real file', () => {
  let dir = '';
  beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'cardea-mp4-'))));
  afterAll(() => rmSync(dir, { recursive: true }));

  test('is joined to itself, and FFmpeg decodes all of it', { timeout: 60_000 }, () => {
    const source = join(dir, 'in.mp4');
    const flags = ['-movflags', '+frag_keyframe+empty_moov+default_base_moof'];
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=d=3:s=128x96:r=10', '-f', 'lavfi', '-i', 'sine=d=3', '-c:v', 'libx264', '-g', '10', '-bf', '0', '-c:a', 'aac', ...flags, source]);
    const bytes = new Uint8Array(readFileSync(source));
    const top = boxes(bytes);
    const start = top.find((b) => b.type === 'moof')?.at ?? 0;
    const body = bytes.subarray(start, top.find((b) => b.type === 'mfra')?.at);
    const joiner = new Joiner(bytes.slice(0, start));
    const out = [joiner.begin(0), joiner.add(body)];
    joiner.cut();
    out.push(joiner.add(body), joiner.end());
    const joined = join(dir, 'out.mp4');
    writeFileSync(joined, concat(out));
    const probe = JSON.parse(execFileSync('ffprobe', ['-v', 'error', '-count_frames', '-select_streams', 'v', '-show_entries', 'stream=nb_read_frames,width:format=duration', '-of', 'json', joined]).toString()) as { streams: [{ nb_read_frames: string }]; format: { duration: string } };
    expect(probe.streams[0].nb_read_frames).toBe('60');
    expect(Number(probe.format.duration)).toBeCloseTo(6, 0);
    expect(execFileSync('ffmpeg', ['-v', 'error', '-xerror', '-i', joined, '-f', 'null', '-']).toString()).toBe('');
  });
});

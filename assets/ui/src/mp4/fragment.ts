/** What is in an init segment and in a part (one moof and its mdat). */
import { concat } from '../bytes';
import { box, boxes, find, FormatError, u32, u64, viewOf, type Box } from './boxes';

export interface Track {
  id: number;
  kind: 'video' | 'audio';
  /** Units of time in a second. */
  scale: number;
  /** The sample description with codec and parameter sets, byte for byte. */
  description: Uint8Array;
  /** For a decoder of the browser: the configuration record behind the sample entry, where it has one. */
  config: Uint8Array | undefined;
  width: number;
  height: number;
}

/** Reads the tracks of an init segment. */
export function readInit(init: Uint8Array): Track[] {
  const moov = find(init, ['moov']);
  if (!moov) throw new FormatError('no moov');
  const view = viewOf(init);
  return boxes(init, moov.body, moov.end)
    .filter((b) => b.type === 'trak')
    .flatMap((trak) => {
      const inside = (...path: string[]) => {
        const found = find(init, path, trak.body, trak.end);
        if (!found) throw new FormatError(`no ${path.join('/')}`);
        return found;
      };
      const tkhd = inside('tkhd');
      const mdhd = inside('mdia', 'mdhd');
      const hdlr = inside('mdia', 'hdlr');
      const stsd = inside('mdia', 'minf', 'stbl', 'stsd');
      const handler = String.fromCharCode(...init.subarray(hdlr.body + 8, hdlr.body + 12));
      if (handler !== 'vide' && handler !== 'soun') return [];
      const kind = handler === 'vide' ? ('video' as const) : ('audio' as const);
      const entry = boxes(init, stsd.body + 8, stsd.end)[0];
      // VisualSampleEntry: 78 bytes in front of its boxes, width and height at 24.
      const config = entry && kind === 'video' ? boxes(init, entry.body + 78, entry.end).find((b) => /^(avcC|hvcC|av1C)$/.test(b.type)) : undefined;
      return [
        {
          id: view.getUint32(tkhd.body + (init[tkhd.body] === 1 ? 20 : 12)),
          kind,
          scale: view.getUint32(mdhd.body + (init[mdhd.body] === 1 ? 20 : 12)),
          description: init.slice(stsd.at, stsd.end),
          config: config && init.slice(config.body, config.end),
          width: entry && kind === 'video' ? view.getUint16(entry.body + 24) : 0,
          height: entry && kind === 'video' ? view.getUint16(entry.body + 26) : 0,
        },
      ];
    });
}

export interface Sample {
  /** Where its bytes are, from the start of what was parsed. */
  at: number;
  size: number;
  /** In units of the track: decoding time, how much later it is shown, and how long. */
  dts: number;
  cts: number;
  duration: number;
  key: boolean;
}

export interface Run {
  track: number;
  /** Decoding time of the first sample, where that stands, and whether it is written with 64 bits. */
  dts: number;
  dtsAt: number;
  wide: boolean;
  end: number;
  samples: Sample[];
}

export interface Part {
  /** Of the whole part: moof and mdat. */
  at: number;
  moofEnd: number;
  end: number;
  /** Where the number of the part stands. */
  sequenceAt: number;
  runs: Run[];
}

/**
 * Reads the parts in bytes. The last part may be cut off behind its moof: samples then point behind the bytes, and `end` is
 * where it would end.
 */
export function readParts(bytes: Uint8Array): Part[] {
  const out: Part[] = [];
  let moof: Box | undefined;
  for (const b of boxes(bytes)) {
    if (b.type === 'moof') {
      moof = b;
      out.push(readMoof(bytes, b));
    } else if (b.type === 'mdat' && moof) {
      const part = out.at(-1);
      if (part) part.end = b.end;
      moof = undefined;
    }
  }
  return out;
}

function readMoof(bytes: Uint8Array, moof: Box): Part {
  const view = viewOf(bytes);
  const mfhd = find(bytes, ['mfhd'], moof.body, moof.end);
  if (!mfhd) throw new FormatError('no mfhd');
  const runs: Run[] = [];
  let end = moof.end;
  for (const traf of boxes(bytes, moof.body, moof.end)) {
    if (traf.type !== 'traf') continue;
    const tfhd = find(bytes, ['tfhd'], traf.body, traf.end);
    const tfdt = find(bytes, ['tfdt'], traf.body, traf.end);
    if (!tfhd || !tfdt) throw new FormatError('no tfhd or tfdt');
    const flags = view.getUint32(tfhd.body) & 0xffffff;
    let at = tfhd.body + 8;
    const optional = (flag: number, size: number): number => {
      if (!(flags & flag)) return -1;
      at += size;
      return at - size;
    };
    const base = optional(0x1, 8);
    optional(0x2, 4);
    const number = (where: number, otherwise: number) => (where < 0 ? otherwise : view.getUint32(where));
    const duration = number(optional(0x8, 4), 0);
    const size = number(optional(0x10, 4), 0);
    const sampleFlags = number(optional(0x20, 4), 0);
    const start = base < 0 ? moof.at : Number(view.getBigUint64(base));
    const wide = bytes[tfdt.body] === 1;
    const dtsAt = tfdt.body + 4;
    const dts = wide ? Number(view.getBigUint64(dtsAt)) : view.getUint32(dtsAt);
    const run: Run = { track: view.getUint32(tfhd.body + 4), dts, dtsAt, wide, end: dts, samples: [] };
    for (const trun of boxes(bytes, traf.body, traf.end)) {
      if (trun.type === 'trun') readRun(bytes, trun, start, { duration, size, flags: sampleFlags }, run);
    }
    end = Math.max(end, ...run.samples.map((s) => s.at + s.size));
    runs.push(run);
  }
  return { at: moof.at, moofEnd: moof.end, end, sequenceAt: mfhd.body + 4, runs };
}

function readRun(bytes: Uint8Array, trun: Box, start: number, defaults: { duration: number; size: number; flags: number }, run: Run): void {
  const view = viewOf(bytes);
  const flags = view.getUint32(trun.body) & 0xffffff;
  const count = view.getUint32(trun.body + 4);
  let at = trun.body + 8;
  let data = start;
  if (flags & 0x1) {
    data += view.getInt32(at);
    at += 4;
  }
  let first = defaults.flags;
  if (flags & 0x4) {
    first = view.getUint32(at);
    at += 4;
  }
  const words = [0x100, 0x200, 0x400, 0x800].filter((f) => flags & f).length;
  if (at + count * words * 4 > trun.end) throw new FormatError('a trun that is too short');
  for (let i = 0; i < count; i++) {
    const next = (flag: number, otherwise: number) => {
      if (!(flags & flag)) return otherwise;
      at += 4;
      return view.getUint32(at - 4);
    };
    const duration = next(0x100, defaults.duration);
    const size = next(0x200, defaults.size);
    const f = next(0x400, i === 0 ? first : defaults.flags);
    const cts = next(0x800, 0) | 0;
    // sample_is_non_sync_sample is bit 16.
    run.samples.push({ at: data, size, dts: run.end, cts, duration, key: (f & 0x10000) === 0 });
    data += size;
    run.end += duration;
  }
}

/** A part of its own with one picture, shown for `duration` units: for speeds at which there is no time for the others. */
export function picturePart(track: number, dts: number, duration: number, picture: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = (offset: number) =>
    box(
      'moof',
      box('mfhd', u32(0, 1)),
      box(
        'traf',
        box('tfhd', u32(0x020000, track)),
        box('tfdt', u32(1 << 24), u64(dts)),
        box('trun', u32(0x01000701, 1, offset, Math.max(1, Math.round(duration)), picture.length, 0x02000000)),
      ),
    );
  const length = header(0).length;
  return concat([header(length + 8), box('mdat', picture)]);
}

/** The init segment without its sound: a player waits for every track that it was told of. */
export function videoOnly(init: Uint8Array): Uint8Array<ArrayBuffer> {
  const keep = new Set(readInit(init).flatMap((t) => (t.kind === 'video' ? [t.id] : [])));
  const view = viewOf(init);
  const strip = (b: Box): Uint8Array => {
    if (b.type !== 'moov' && b.type !== 'mvex') return init.subarray(b.at, b.end);
    const inside = boxes(init, b.body, b.end).filter((c) => {
      if (c.type === 'trex') return keep.has(view.getUint32(c.body + 4));
      if (c.type !== 'trak') return true;
      const tkhd = find(init, ['tkhd'], c.body, c.end);
      return tkhd !== undefined && keep.has(view.getUint32(tkhd.body + (init[tkhd.body] === 1 ? 20 : 12)));
    });
    return box(b.type, ...inside.map(strip));
  };
  return concat(boxes(init).map(strip));
}

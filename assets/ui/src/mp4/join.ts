/**
 * Joins the parts of clips into one fragmented MP4: times go on where the last clip ended, parts are numbered through, and
 * an index at the end lets players seek. Pictures and sound stay bit by bit what the camera sent.
 */
import { concat } from '../bytes';
import { box, find, u32, u64, viewOf } from './boxes';
import { readInit, readParts, type Track } from './fragment';

/** Whether clips with these init segments can be one file: the same tracks with the same codecs and parameter sets. */
export function joinable(a: Uint8Array, b: Uint8Array): boolean {
  const [x, y] = [readInit(a), readInit(b)];
  const same = (p: Uint8Array, q: Uint8Array) => p.length === q.length && p.every((byte, i) => byte === q[i]);
  return x.length === y.length && x.every((t, i) => {
    const u = y[i];
    return u !== undefined && t.id === u.id && t.kind === u.kind && t.scale === u.scale && same(t.description, u.description);
  });
}

/** Seconds from 1904, where the times of MP4 begin, to 1970. */
const epoch = 2_082_844_800;

export class Joiner {
  /** Seconds of pictures written. */
  get seconds(): number {
    const video = this.video;
    return video ? (this.ends.get(video.id) ?? 0) / video.scale : 0;
  }

  private readonly tracks: Map<number, Track>;
  private readonly video: Track | undefined;
  /** For each track, in its own units: where it ends by now, and what is added to the times of this clip. */
  private readonly ends = new Map<number, number>();
  private shifts: Map<number, number> | undefined;
  private readonly index: { time: number; offset: number }[] = [];
  private written = 0;
  private number = 0;

  constructor(private readonly init: Uint8Array) {
    const tracks = readInit(init);
    this.tracks = new Map(tracks.map((t) => [t.id, t]));
    this.video = tracks.find((t) => t.kind === 'video');
  }

  /** The beginning of the file. `wall` is when its first picture was taken, in ms since 1970. */
  begin(wall: number): Uint8Array<ArrayBuffer> {
    const out = this.init.slice();
    const mvhd = find(out, ['moov', 'mvhd']);
    if (mvhd) {
      const seconds = Math.floor(wall / 1000) + epoch;
      const view = viewOf(out);
      const wide = out[mvhd.body] === 1;
      for (const field of [0, 1]) {
        if (wide) view.setBigUint64(mvhd.body + 4 + field * 8, BigInt(seconds));
        else view.setUint32(mvhd.body + 4 + field * 4, seconds);
      }
    }
    this.written = out.length;
    return out;
  }

  /** Says that what comes next is from another clip. */
  cut(): void {
    this.shifts = undefined;
  }

  /** Whole parts of one clip, in order; gives them with their place in the joined file. */
  add(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const out: Uint8Array[] = [];
    for (const part of readParts(bytes)) {
      if (part.end > bytes.length) break; // a torn end
      const copy = bytes.slice(part.at, part.end);
      const view = viewOf(copy);
      const shifts = (this.shifts ??= this.place(part.runs));
      view.setUint32(part.sequenceAt - part.at, ++this.number);
      for (const run of part.runs) {
        const shift = shifts.get(run.track) ?? 0;
        // Sound that began a little before the picture of its clip must not reach back into the last one.
        const dts = Math.max(run.dts + shift, this.ends.get(run.track) ?? 0);
        if (run.wide) view.setBigUint64(run.dtsAt - part.at, BigInt(dts));
        else view.setUint32(run.dtsAt - part.at, dts);
        this.ends.set(run.track, dts + run.end - run.dts);
        if (run.track === this.video?.id && run.samples[0]?.key) this.index.push({ time: dts + run.samples[0].cts, offset: this.written });
      }
      this.written += copy.length;
      out.push(copy);
    }
    return concat(out);
  }

  /** The end of the file: where its key frames are (mfra). */
  end(): Uint8Array<ArrayBuffer> {
    const video = this.video;
    if (!video || this.index.length === 0) return new Uint8Array();
    const entries = this.index.flatMap(({ time, offset }) => [u64(time), u64(offset), Uint8Array.of(1, 1, 1)]);
    const tfra = box('tfra', u32(1 << 24, video.id, 0, this.index.length), ...entries);
    const size = 8 + tfra.length + 16;
    return box('mfra', tfra, box('mfro', u32(0, size)));
  }

  /** What to add to the times of a clip, so that its first picture follows the last one, and its sound stays in time with it. */
  private place(runs: { track: number; dts: number }[]): Map<number, number> {
    const lead = runs.find((r) => r.track === this.video?.id) ?? runs[0];
    const scaleOf = (track: number) => this.tracks.get(track)?.scale ?? 1;
    const seconds = lead ? ((this.ends.get(lead.track) ?? 0) - lead.dts) / scaleOf(lead.track) : 0;
    return new Map([...this.tracks.keys()].map((id) => [id, Math.round(seconds * scaleOf(id))]));
  }
}

/** A sealed clip on the box, opened piece by piece. Used by the key worker only. */
import { Layout, chunkBytes, openChunks, sealedChunkBytes, SealError, splitHeader, chunkCipher, payloadKey, type ChunkCipher } from './stream';

/** What the index says about a clip. */
export interface ClipInfo {
  id: string;
  /** The vault whose identity opens it. */
  vault: string;
  /** Bytes of the file. Grows while the clip is open. */
  bytes: number;
  /** Bytes in front of the first chunk: the age header and the payload nonce. */
  headerBytes: number;
  /** False while the clip is being written, and for ever where it was cut off. */
  complete: boolean;
  /** Which of the clip's files: the recording, or the pictures of its preview. */
  file?: 'preview';
}

/** Gives bytes [begin, end) of a clip's file and the size of the file now. Fewer bytes mean the file ends there. */
export type Fetcher = (id: string, begin: number, end: number, signal: AbortSignal) => Promise<{ bytes: Uint8Array; size: number }>;

/** Opens the header of a file with the identity of a vault and gives the file key. */
export type Unsealer = (vault: string, header: Uint8Array) => Promise<Uint8Array>;

/** A clip with its own key. It keeps the key and a chunk or two, never the whole picture. */
export class Clip {
  private head: Promise<{ cipher: ChunkCipher; first: Uint8Array }> | undefined;
  private readonly seen = new Set<number>();
  private kept: { index: number; plain: Uint8Array } | undefined;

  constructor(
    private info: ClipInfo,
    private readonly fetcher: Fetcher,
    private readonly unseal: Unsealer,
  ) {}

  /** Takes what the index says now: an open clip grows and is completed. */
  update(info: ClipInfo): void {
    if (info.bytes === this.info.bytes && info.complete === this.info.complete) return;
    this.info = info;
  }

  /** True once every chunk up to the last one of a complete clip has opened: nothing was changed, nothing is missing. */
  get verified(): boolean {
    return this.info.complete && this.seen.size === this.layout.chunks;
  }

  private get layout(): Layout {
    return new Layout(this.info.headerBytes, this.info.bytes, this.info.complete);
  }

  /**
   * Plaintext bytes [from, to), fewer where a torn or open clip ends before.
   *
   * @throws SealError where the file is not what the recorder wrote, DOMException AbortError, and what the fetcher throws.
   */
  async read(from: number, to: number, signal: AbortSignal): Promise<Uint8Array> {
    const layout = this.layout;
    const end = Math.min(to, layout.plain);
    if (from >= end) return new Uint8Array();
    const span = layout.span(from, end);
    const begin = this.kept?.index === span.first ? span.first + 1 : span.first;
    const kept = begin > span.first ? this.kept?.plain : undefined;

    const head = (this.head ??= this.open());
    head.catch(() => (this.head = undefined));
    let sealed: Uint8Array | undefined = new Uint8Array();
    if (span.last >= begin && (begin > 0 || span.last > 0)) {
      // Asked for at the same time as the header: one round trip for a seek into a clip not seen before.
      const start = layout.start + begin * sealedChunkBytes;
      [sealed] = await Promise.all([this.fetcher(this.info.id, start, span.end, signal).then((r) => r.bytes), head]);
      if (sealed.length < span.end - start) throw new SealError('short');
    }
    const { cipher, first } = await head;
    if (span.last >= begin && begin === 0 && span.last === 0) sealed = first.subarray(0, span.end - layout.start);
    const opened = await openChunks(cipher, layout, begin, sealed);
    for (let i = begin; i <= span.last; i++) this.seen.add(i);
    if (span.last >= begin) {
      this.kept = { index: span.last, plain: opened.slice((span.last - begin) * chunkBytes) };
    }

    const base = span.first * chunkBytes;
    if (!kept) return opened.subarray(from - base, end - base);
    const out = new Uint8Array(end - from);
    const head1 = kept.subarray(from - base, end - base);
    out.set(head1);
    out.set(opened.subarray(0, out.length - head1.length), head1.length);
    return out;
  }

  private async open(): Promise<{ cipher: ChunkCipher; first: Uint8Array }> {
    const want = this.info.headerBytes + sealedChunkBytes;
    // Not aborted with the read that asks first: others may wait for it.
    const { bytes } = await this.fetcher(this.info.id, 0, Math.min(want, this.info.bytes), new AbortController().signal);
    const head = splitHeader(bytes);
    if (!head || head.payload !== this.info.headerBytes) throw new SealError('changed');
    const fileKey = await this.unseal(this.info.vault, head.header);
    const key = payloadKey(fileKey, head.nonce);
    const cipher = await chunkCipher(key);
    return { cipher, first: bytes.slice(head.payload) };
  }
}

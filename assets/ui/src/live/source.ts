/** Media Source Extensions, in whichever of its two shapes the browser has. iPhones have only the managed one. */

import { m } from '../i18n/m';

interface Managed {
  new (): MediaSource;
  isTypeSupported(type: string): boolean;
}

const managed = (globalThis as { ManagedMediaSource?: Managed }).ManagedMediaSource;
const Source: Managed | undefined = 'MediaSource' in globalThis ? MediaSource : managed;

export function playable(mime: string): boolean {
  return Source?.isTypeSupported(mime) ?? false;
}

/** Says why a stream cannot be shown here. */
export function unplayable(mime: string): string {
  if (!Source) return m.live.noPlayer;
  if (/hvc1|hev1/.test(mime)) return m.live.noH265;
  return m.live.noCodec(mime);
}

/** A media source with one buffer, attached to a video element, whose appends queue up. */
export class MediaBuffer {
  private readonly source: MediaSource;
  private buffer: SourceBuffer | undefined;
  private readonly jobs: { run: (b: SourceBuffer) => void; done: () => void; fail: (e: Error) => void }[] = [];
  private current: { done: () => void; fail: (e: Error) => void } | undefined;
  private closed = false;
  private readonly url: string;

  constructor(
    private readonly video: HTMLVideoElement,
    private mime: string,
  ) {
    if (!Source) throw new Error('no media source');
    this.source = new Source();
    // The managed kind demands it, unless an AirPlay alternative is offered.
    video.disableRemotePlayback = true;
    this.url = URL.createObjectURL(this.source);
    this.source.addEventListener(
      'sourceopen',
      () => {
        URL.revokeObjectURL(this.url);
        if (this.closed || this.buffer) return;
        try {
          this.source.duration = Infinity;
          this.buffer = this.source.addSourceBuffer(mime);
        } catch (error) {
          this.failAll(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        this.buffer.addEventListener('updateend', () => {
          this.current?.done();
          this.current = undefined;
          this.work();
        });
        this.buffer.addEventListener('error', () => {
          this.current?.fail(new Error(m.live.undecodable));
          this.current = undefined;
        });
        this.work();
      },
      { once: true },
    );
    video.src = this.url;
  }

  private failAll(error: Error): void {
    for (const job of this.jobs.splice(0)) job.fail(error);
    this.current?.fail(error);
    this.current = undefined;
  }

  private work(): void {
    const buffer = this.buffer;
    while (buffer && !this.current && !this.closed && this.source.readyState === 'open' && !buffer.updating) {
      const job = this.jobs.shift();
      if (!job) return;
      this.current = job;
      try {
        job.run(buffer);
      } catch (error) {
        this.current = undefined;
        job.fail(error instanceof Error ? error : new Error(String(error)));
        continue;
      }
      if (!buffer.updating) {
        this.current = undefined;
        job.done();
      }
    }
  }

  private queue(run: (b: SourceBuffer) => void): Promise<void> {
    return new Promise((done, fail) => {
      if (this.closed) {
        fail(new DOMException('closed', 'AbortError'));
        return;
      }
      this.jobs.push({ run, done, fail });
      this.work();
    });
  }

  append(data: BufferSource): Promise<void> {
    return this.queue((b) => b.appendBuffer(data));
  }

  remove(from: number, to: number): Promise<void> {
    return this.queue((b) => {
      if (to > from) b.remove(from, to);
    });
  }

  /** Begins another file: what was half appended is dropped, and its times start at `offset` seconds. */
  begin(mime: string, offset: number): Promise<void> {
    return this.queue((b) => {
      b.abort();
      // WebKitGTK cannot change the type, and seldom has to.
      if (mime !== this.mime) b.changeType(mime);
      this.mime = mime;
      b.timestampOffset = offset;
    });
  }

  get pending(): number {
    return this.jobs.length;
  }

  get buffered(): TimeRanges | undefined {
    try {
      return this.buffer?.buffered;
    } catch {
      return undefined; // the buffer was taken away
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.failAll(new DOMException('closed', 'AbortError'));
    // Another buffer may have taken the element over.
    if (this.video.src === this.url) {
      this.video.removeAttribute('src');
      this.video.load();
    }
    URL.revokeObjectURL(this.url);
  }
}

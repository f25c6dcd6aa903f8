/** Writes an export: the key worker opens parts, the joiner puts them into one film, and they go where they are to be. */
import { Joiner } from '../mp4/join';
import { infoOf } from '../timeline/clips';
import { keys } from '../vault/keys.svelte';
import { span, type Run } from './plan';
import type { Sink } from './sink';

/** Bytes that are opened at a time; while they are written, the next ones are opened. */
const batch = 4 * 1024 * 1024;

/**
 * Writes one film. `report` is told the bytes that were opened since it was last told. Rejects with KeyError, with what the sink says, and
 * with AbortError; then nothing of the film stays.
 */
export async function save(run: Run, sink: Sink, report: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  const joiner = new Joiner(run.init);
  try {
    await sink.write(joiner.begin(run.from));
    for (const piece of run.pieces) {
      joiner.cut();
      const [begin, end] = span(piece);
      const parts = piece.clip.parts;
      const read = (from: number, to: number) => keys.ask('read', { clip: infoOf(piece.clip), from, to }, signal);
      let at = piece.first;
      const next = (): Promise<{ bytes: ArrayBuffer }> | undefined => {
        if (at >= piece.end) return undefined;
        const from = parts[at]?.offset ?? begin;
        do at++;
        while (at < piece.end && (parts[at]?.offset ?? 0) - from < batch);
        return read(from, at < parts.length ? (parts[at]?.offset ?? end) : Number.MAX_SAFE_INTEGER);
      };
      for (let coming = next(); coming; ) {
        const { bytes } = await coming;
        coming = next();
        coming?.catch(() => undefined); // told when it is waited for
        signal.throwIfAborted();
        await sink.write(joiner.add(new Uint8Array(bytes)));
        report(bytes.byteLength);
      }
    }
    await sink.write(joiner.end());
    await sink.close();
  } catch (error) {
    await sink.abort().catch(() => undefined);
    throw error;
  }
}

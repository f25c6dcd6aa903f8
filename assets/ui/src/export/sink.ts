/** Where a file goes: straight to the disk where the browser lets a page do that, else through its memory. */

export interface Sink {
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The file is whole. */
  close(): Promise<void>;
  /** Nothing of it stays. */
  abort(): Promise<void>;
}

interface FileHandle {
  createWritable(): Promise<{ write(bytes: BufferSource): Promise<void>; close(): Promise<void>; abort(): Promise<void> }>;
  remove?(): Promise<void>;
}

interface Pickers {
  showSaveFilePicker?(options: { suggestedName: string; types: { accept: Record<string, string[]> }[] }): Promise<FileHandle>;
  showDirectoryPicker?(options: { mode: 'readwrite' }): Promise<{ getFileHandle(name: string, options: { create: true }): Promise<FileHandle> }>;
}

const pickers = globalThis as Pickers;

/** Whether files can be written while they are made. */
export const streams = (files: number): boolean => (files === 1 ? pickers.showSaveFilePicker : pickers.showDirectoryPicker) !== undefined;

/** The most that is made in memory: what a phone, or another computer, can be expected to hold twice. */
export const memoryLimit = (): number => (matchMedia('(pointer: coarse)').matches ? 300e6 : 1e9);

/**
 * Asks where to put the files, which has to be done while a click is handled; gives undefined where the person does not want to. Without
 * a picker they are downloads.
 */
export async function choose(names: string[]): Promise<((name: string) => Promise<Sink>) | undefined> {
  const [only] = names;
  try {
    if (names.length === 1 && only && pickers.showSaveFilePicker) {
      const handle = await pickers.showSaveFilePicker({ suggestedName: only, types: [{ accept: { 'video/mp4': ['.mp4'] } }] });
      return () => toFile(handle);
    }
    if (names.length > 1 && pickers.showDirectoryPicker) {
      const folder = await pickers.showDirectoryPicker({ mode: 'readwrite' });
      return async (name) => toFile(await folder.getFileHandle(name, { create: true }));
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return undefined;
    throw error;
  }
  return async (name) => toDownload(name);
}

async function toFile(handle: FileHandle): Promise<Sink> {
  const writable = await handle.createWritable();
  return {
    write: (bytes) => writable.write(bytes),
    close: () => writable.close(),
    async abort() {
      await writable.abort();
      await handle.remove?.();
    },
  };
}

function toDownload(name: string): Sink {
  let parts: Blob[] = [];
  let waiting: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  return {
    async write(bytes) {
      waiting.push(bytes);
      size += bytes.length;
      // A browser may keep a Blob on its disk; arrays are always in memory.
      if (size > 16e6) {
        parts.push(new Blob(waiting));
        waiting = [];
        size = 0;
      }
    },
    async close() {
      const url = URL.createObjectURL(new Blob([...parts, ...waiting], { type: 'video/mp4' }));
      const link = document.createElement('a');
      link.href = url;
      link.download = name;
      link.dataset.native = '';
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      parts = waiting = [];
    },
    async abort() {
      parts = waiting = [];
    },
  };
}

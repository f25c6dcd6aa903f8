/** Decoded pictures, a bounded number of them, and none after the vault was locked. */
import { keys } from '../vault/keys.svelte';

/** About 25 MB of pictures 320 wide. */
const most = 110;

class Pictures {
  private readonly kept = new Map<string, Promise<ImageBitmap | null>>();

  constructor() {
    $effect.root(() => {
      $effect(() => {
        if (keys.open.length === 0) this.clear();
      });
    });
  }

  /** The picture by that name, made where it is not there. A failure is not kept. */
  take(name: string, make: () => Promise<ImageBitmap | null>): Promise<ImageBitmap | null> {
    const made = this.kept.get(name) ?? make();
    this.kept.delete(name);
    this.kept.set(name, made);
    made.catch(() => this.kept.get(name) === made && this.kept.delete(name));
    for (const [oldest, picture] of this.kept) {
      if (this.kept.size <= most) break;
      this.kept.delete(oldest);
      close(picture);
    }
    return made;
  }

  clear(): void {
    for (const picture of this.kept.values()) close(picture);
    this.kept.clear();
  }
}

function close(picture: Promise<ImageBitmap | null>): void {
  void picture.then(
    (p) => p?.close(),
    () => undefined,
  );
}

export const pictures = new Pictures();

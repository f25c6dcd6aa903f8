/** The picture under the pointer, of one camera: the newest wish wins, one at a time. */
import { KeyError } from '../vault/keys.svelte';
import { pictureAt, type Glimpse } from './preview';

/** A picture with its own moment, or why there is none; `failed` where the box or the key worker said so. */
export type Shown = Glimpse | { bitmap: null; why: 'failed' };

export class Scrub {
  shown = $state.raw<Shown>();
  private camera = '';
  private wanted: number | undefined;
  private busy = false;

  /** Asks for the picture of a moment. What is shown stays until there is a better one. */
  ask(camera: string, wall: number): void {
    if (camera !== this.camera) this.shown = undefined;
    this.camera = camera;
    this.wanted = wall;
    if (!this.busy) void this.work();
  }

  /** Takes it away. */
  end(): void {
    this.wanted = undefined;
    this.shown = undefined;
  }

  private async work(): Promise<void> {
    this.busy = true;
    while (this.wanted !== undefined) {
      const [camera, wall] = [this.camera, this.wanted];
      let shown: Shown;
      try {
        shown = await pictureAt(camera, wall);
      } catch (error) {
        shown = { bitmap: null, why: error instanceof KeyError && error.failure.kind === 'locked' ? 'locked' : 'failed' };
      }
      // Ended meanwhile.
      if (this.wanted === undefined) break;
      if (camera === this.camera) this.shown = shown;
      if (this.wanted === wall) break;
    }
    this.busy = false;
  }
}

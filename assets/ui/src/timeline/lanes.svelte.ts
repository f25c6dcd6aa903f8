/** The lanes of the cameras, fetched in pieces as the view wants them, and again while it is now. */
import { SvelteMap } from 'svelte/reactivity';
import { get } from '../api/client';
import { sayProblem } from '../controls/toasts.svelte';
import { joinLanes, nothing, readLane, type Lane } from './data';
import type { Range } from './day';
import { levelOf, levels, tileOf, tilesFor, type Tile } from './tiles';

interface Kept {
  lanes: Map<string, Lane>;
  at: number;
}

/** Pieces that are kept, over all levels. */
const most = 64;
/** How often the piece that holds now is asked for again, in ms. */
const fresh = [20_000, 5000, 4000] as const;
/** Retention takes footage away, and memory cards bring some later. */
const stale = 120_000;

const key = (tile: { level: number; index: number }) => `${tile.level} ${tile.index}`;

export class Lanes {
  /** The time zone of the box, once it is known. */
  zone = $state<{ name: string; offset: number }>();

  private readonly kept = new SvelteMap<string, Kept>();
  private readonly asking = new Map<string, AbortController>();
  /** When a piece could not be fetched, so that it is not asked for all the time. */
  private readonly failed = new Map<string, number>();

  private find(camera: string, tile: Tile): Lane | undefined {
    return this.kept.get(key(tile))?.lanes.get(camera);
  }

  /** What is known of a camera in a view; `whole` where all of it was fetched closely enough. */
  lane(camera: string, view: Range, now: number): { lane: Lane; whole: boolean } {
    const level = levelOf(view);
    let whole = true;
    const pieces = tilesFor(view, level, { from: 0, to: now }).map((tile) => {
      const exact = this.find(camera, tile);
      if (exact) return exact;
      whole = false;
      return this.other(camera, tile) ?? nothing;
    });
    return { lane: joinLanes(pieces), whole };
  }

  /** While a piece is fetched, those of other levels show the same. */
  private other(camera: string, tile: Tile): Lane | undefined {
    for (let level = tile.level - 1; level >= 0; level--) {
      const found = this.find(camera, tileOf(level, Math.floor(tile.from / (levels[level] ?? 1))));
      if (found) return found;
    }
    for (let level = tile.level + 1; level < levels.length; level++) {
      const found = tilesFor(tile, level, tile).flatMap((t) => this.find(camera, t) ?? []);
      if (found.length > 0) return joinLanes(found);
    }
    return undefined;
  }

  /** Fetches what a view lacks or what may have changed, of all cameras at once. */
  want(view: Range, now: number): void {
    const level = levelOf(view);
    const needed = new Set<string>();
    for (const tile of tilesFor(view, level, { from: 0, to: now })) {
      const name = key(tile);
      needed.add(name);
      const have = this.kept.get(name);
      const life = tile.to > now - 60_000 ? (fresh[level as 0 | 1 | 2] ?? stale) : stale;
      if ((have && now - have.at < life) || this.asking.has(name) || now - (this.failed.get(name) ?? 0) < 5000) continue;
      void this.fetch(tile, have !== undefined || this.failed.has(name));
    }
    // What was asked for a view that is gone need not come any more.
    for (const [name, job] of this.asking) if (!needed.has(name)) job.abort();
  }

  private async fetch(tile: Tile, quiet: boolean): Promise<void> {
    const name = key(tile);
    const job = new AbortController();
    this.asking.set(name, job);
    const query = { from: new Date(tile.from).toISOString(), to: new Date(tile.to).toISOString() };
    const answer = await get('/api/lanes', { query, signal: job.signal });
    this.asking.delete(name);
    if (answer.ok) {
      const now = Date.now();
      this.kept.set(name, { lanes: new Map(answer.value.lanes.map((lane) => [lane.camera, readLane(lane, Math.min(now, tile.to))])), at: now });
      this.zone = { name: answer.value.zone, offset: answer.value.utc_offset };
      for (const oldest of this.kept.keys()) {
        if (this.kept.size <= most) break;
        this.kept.delete(oldest);
      }
      this.failed.delete(name);
    } else if (!answer.aborted) {
      this.failed.set(name, Date.now());
      if (!quiet) sayProblem(answer.problem);
    }
  }

  /** All of a camera in a part of time, however far away, at the widest level. */
  async whole(camera: string, range: Range): Promise<Lane> {
    const now = Date.now();
    const tiles = tilesFor(range, 0, { from: 0, to: now });
    await Promise.all(tiles.filter((t) => now - (this.kept.get(key(t))?.at ?? 0) > (t.to > now ? 2000 : stale)).map((t) => this.fetch(t, false)));
    return joinLanes(tiles.map((t) => this.find(camera, t) ?? nothing));
  }

  close(): void {
    for (const job of this.asking.values()) job.abort();
  }
}

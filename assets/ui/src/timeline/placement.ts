/**
 * Where clips lie on the player's own clock. That clock runs with the time of day, so holes between clips stay holes;
 * clips that follow each other closely are joined, as a player would stop at every little hole.
 */
export interface Placed {
  id: string;
  /** Start of the clip, in ms since 1970. */
  wall: number;
  /** The same moment on the player's clock, in seconds. */
  media: number;
}

/** Holes shorter than this are closed. */
const joinSeconds = 1;

export class Placement {
  readonly clips: Placed[] = [];

  constructor(private readonly origin: number) {}

  /** Adds the next clip. `end` is where what was placed so far ends on the player's clock. */
  add(id: string, wall: number, end?: number): Placed {
    let media = (wall - this.origin) / 1000;
    if (end !== undefined && media - end < joinSeconds) media = end;
    const placed = { id, wall, media };
    this.clips.push(placed);
    return placed;
  }

  /** The clip at a moment of the player's clock. */
  at(media: number): Placed | undefined {
    return this.clips.findLast((c) => c.media <= media + 0.01) ?? this.clips[0];
  }

  wallOf(media: number): number | undefined {
    const clip = this.at(media);
    return clip && clip.wall + (media - clip.media) * 1000;
  }

  mediaOf(wall: number): number | undefined {
    const clip = this.clips.findLast((c) => c.wall <= wall) ?? this.clips[0];
    return clip && clip.media + (wall - clip.wall) / 1000;
  }
}

/** The part to start with for a moment: the last one that starts with a key frame at or before it. */
export function firstPart(parts: { start: string; key: boolean }[], wall: number): number {
  let best = 0;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (!part || Date.parse(part.start) > wall) break;
    if (part.key) best = i;
  }
  return best;
}

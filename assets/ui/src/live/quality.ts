/** Which stream of a camera a picture is worth, and by which way it comes. No state, no clock. */

/** What a person may choose. Automatic is the main stream where it can be seen and borne, else the smaller one. */
export const wishes = ['auto', 'main', 'sub'] as const;
export type Wish = (typeof wishes)[number];

export interface Situation {
  wish: Wish;
  /** Whether the camera has a smaller stream, and how wide that is. */
  sub: boolean;
  subWidth: number;
  /** Alone, or on the full screen. */
  large: boolean;
  /** Width on the screen in its own pixels. */
  width: number;
  /** The way or this computer does not keep up with the main stream. */
  strained: boolean;
  /** Whether this browser can show the main stream, and the codec of the smaller one where it is known. */
  plays: boolean;
  subCodec: string;
}

/** What is asked of the box. `auto` lets the box change over by itself when the socket does not keep up. */
export function choose(s: Situation): 'main' | 'sub' | 'auto' {
  if (!s.sub) return 'main';
  if (s.wish !== 'auto') return s.wish;
  if (s.strained) return 'sub';
  // A smaller picture is better than none; where it would be none either, the main stream is what is spoken of.
  if (!s.plays && s.subCodec !== 'hevc') return 'sub';
  if (s.large) return 'auto';
  // A tile that is a good deal wider than the smaller stream is worth the larger one.
  return s.subWidth > 0 && s.width > 1.6 * s.subWidth && s.width > 900 ? 'auto' : 'sub';
}

export interface Way {
  /** Not known to fail on this visit, and there is room for one more connection. */
  possible: boolean;
  /** How many pictures are on the screen. */
  pictures: number;
  large: boolean;
  /** The codecs of the streams, and of the sound, in FFmpeg's words. */
  codec: string;
  subCodec: string;
  quality: 'main' | 'sub' | 'auto';
  sound: string;
  hears: boolean;
}

/** A wall of more pictures than this comes over the one socket: a connection each would cost more than it gives. */
const connections = 4;

/** WebRTC for few pictures or a large one, where it can carry what the camera sends. */
export function overWebRTC(w: Way): boolean {
  if (!w.possible || !(w.large || w.pictures <= connections)) return false;
  if (w.codec !== 'h264' && w.codec !== 'hevc') return false;
  // The view may begin with the other stream.
  if (w.quality !== 'main' && w.subCodec && w.subCodec !== w.codec) return false;
  return !w.hears || carriesSound(w.sound);
}

/** AAC is no codec of WebRTC, and nothing is transcoded. */
export function carriesSound(codec: string): boolean {
  return codec === 'opus' || codec === 'pcm_alaw' || codec === 'pcm_mulaw';
}

/** Notices when pictures are lost on the way or here, from counters that only rise. */
export class Strain {
  private before: { got: number; lost: number } | undefined;
  private bad = 0;

  /** Takes the counters every two seconds; true once a tenth was lost three times in a row. */
  take(got: number, lost: number): boolean {
    const b = this.before;
    this.before = { got, lost };
    if (!b || got < b.got || lost < b.lost) return false;
    const all = got - b.got + lost - b.lost;
    this.bad = all > 5 && (lost - b.lost) / all > 0.1 ? this.bad + 1 : 0;
    return this.bad >= 3;
  }
}

import type { Problem } from '../api/client';
import type { Track } from '../api/types';
import { m } from '../i18n/m';

/** What an address may be of: a stream, an ONVIF service, or either. */
export type Kind = 'stream' | 'service' | 'any';

const schemes = { stream: 'rtsps?', service: 'https?', any: 'rtsps?|https?' } as const;

/**
 * The address as the box takes it, with user and password in it. A missing scheme means rtsp://, or http:// of a service and where
 * either is taken and there is no path. Gives a problem where it is no address.
 */
export function addressWith(address: string, user: string, password: string, kind: Kind = 'stream'): string | Problem {
  const text = address.trim();
  const bare = kind === 'service' || (kind === 'any' && !text.includes('/')) ? 'http' : 'rtsp';
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${bare}://${text}`;
  const match = new RegExp(`^(${schemes[kind]})://(?:([^/?#]*)@)?([^/?#@\\s]+)([^\\s]*)$`, 'i').exec(full);
  if (!match) {
    const service = kind === 'service';
    return { title: service ? m.cameras.form.notService : m.cameras.form.notAddress, status: 0, detail: service ? m.cameras.form.notServiceDetail : m.cameras.form.notAddressDetail };
  }
  const [, scheme = 'rtsp', inside, host = '', path = ''] = match;
  const given = user || password ? `${encodeURIComponent(user)}:${encodeURIComponent(password)}` : inside;
  return `${scheme.toLowerCase()}://${given ? `${given}@` : ''}${host}${path}`;
}

/** A name to start from: the last word of the path, or the host. */
export function nameFrom(address: string): string {
  const path = /\/\/[^/]+\/([^?#]*)/.exec(address)?.[1] ?? '';
  const word = path.split('/').filter(Boolean).pop() ?? '';
  if (!/^[a-z][a-z_-]{2,}$/i.test(word) || /^(stream|live|main|video|h26|media|channels?)/i.test(word)) return '';
  return word.charAt(0).toUpperCase() + word.slice(1).replace(/[_-]+/g, ' ');
}

/** "H.264 1920 × 1080, 25 pictures a second, AAC". */
export function tracksText(tracks: Track[]): string {
  return tracks
    .map((t) => {
      const codec = codecName(t.codec);
      if (!t.width) return codec;
      return `${codec} ${t.width} × ${t.height}${t.fps ? `, ${m.cameras.probe.fps(Math.round(t.fps * 10) / 10)}` : ''}`;
    })
    .join(', ');
}

export function codecName(codec: string): string {
  const names: Record<string, string> = { h264: 'H.264', hevc: 'H.265', h265: 'H.265', aac: 'AAC', opus: 'Opus', pcm_alaw: 'G.711', pcm_mulaw: 'G.711', flac: 'FLAC' };
  return names[codec.toLowerCase()] ?? codec;
}

/** Host and port of an address. */
export function hostOf(url: string): string {
  return url.replace(/^[a-z]+:\/\//, '').replace(/\/.*$/, '');
}

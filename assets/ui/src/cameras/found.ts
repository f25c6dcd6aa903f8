/** What was found on the network, in a person's words. All but the addresses is the word of the device itself. */
import type { Candidate } from '../api/types';
import { m } from '../i18n/m';

/** The name that a list shows, for a device that gives none too. */
export function foundName(c: Candidate): string {
  return c.name || c.model || m.cameras.found.nameless;
}

/** How far it can be trusted once it is added, and how good that is. */
export function foundTrust(c: Candidate): { text: string; tone: 'good' | 'info' | 'warn' } {
  if (c.pair && c.paired) return { text: m.cameras.found.other, tone: 'warn' };
  if (c.pair) return { text: m.cameras.found.canPair, tone: 'good' };
  if (c.trust === 'pinned') return { text: m.cameras.found.pinned, tone: 'info' };
  return { text: m.cameras.found.plain, tone: 'warn' };
}

/** The address to try: an encrypted stream, else where the camera tells what streams it has, else what there is. */
export function foundAddress(c: Candidate): string {
  return c.urls.find((url) => url.startsWith('rtsps://')) ?? c.onvif ?? c.url ?? c.address;
}

/** The address of a stream that is asked for before anything was confirmed: only where that tells the device nothing, and there is no key to compare. */
export function foundOpen(c: Candidate): string | undefined {
  if (c.pair || c.trust !== 'plain') return undefined;
  return [...c.urls, c.url ?? ''].find((url) => url.startsWith('rtsp://'));
}

/** Host and port in the text of a camera's QR code, undefined where it is none. */
export function scannedHost(text: string): string | undefined {
  return /^cardea-pair:\/\/([^/\s@]+)\/[0-9A-Za-z]+$/.exec(text.trim())?.[1];
}

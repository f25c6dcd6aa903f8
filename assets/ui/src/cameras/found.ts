/** What was found on the network, in a person's words. All but the addresses is the word of the device itself. */
import type { Candidate } from '../api/types';

/** The name that a list shows, for a device that gives none too. */
export function foundName(c: Candidate): string {
  return c.name || c.model || 'Camera without a name';
}

/** How far it can be trusted once it is added, and how good that is. */
export function foundTrust(c: Candidate): { text: string; tone: 'good' | 'info' | 'warn' } {
  if (c.pair && c.paired) return { text: 'Says that it is paired with another box', tone: 'warn' };
  if (c.pair) return { text: 'Can be paired', tone: 'good' };
  if (c.trust === 'pinned') return { text: 'Encrypted, you confirm its key', tone: 'info' };
  return { text: 'Not encrypted', tone: 'warn' };
}

/** The address to try: an encrypted stream, else where the camera tells what streams it has, else what there is. */
export function foundAddress(c: Candidate): string {
  return c.urls.find((url) => url.startsWith('rtsps://')) ?? c.onvif ?? c.url ?? c.address;
}

/** Host and port in the text of a camera's QR code, undefined where it is none. */
export function scannedHost(text: string): string | undefined {
  return /^cardea-pair:\/\/([^/\s@]+)\/[0-9A-Za-z]+$/.exec(text.trim())?.[1];
}

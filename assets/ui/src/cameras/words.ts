/** States and reasons of the API in a person's words. */
import type { Camera } from '../api/types';
import { moment } from '../controls/format';

/** Why nothing was recorded. */
export function reasonText(reason: string): string {
  return reasons[reason] ?? reason;
}

const reasons: Record<string, string> = {
  off: 'Recording was switched off',
  offline: 'The camera was not reachable',
  refused: 'The camera refused the connection',
  'no-vault': 'There was no vault to record into',
  'disk-full': 'The disk was full',
  'disk-missing': 'The disk for recordings was not there',
  'disk-error': 'The disk reported an error',
  overload: 'The box could not keep up',
  decode: 'The camera sent an unusable stream',
  restart: 'Cardea was restarted',
  clock: 'The clock of the box was set',
};

const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);

/** What a camera does right now, and how good that is. */
export function cameraState(camera: Camera): { text: string; tone: 'good' | 'warn' | 'danger' | '' } {
  if (camera.state.phase === 'streaming') return { text: 'Online', tone: 'good' };
  if (camera.state.phase === 'connecting') return { text: 'Connecting', tone: '' };
  if (camera.state.phase === 'refused') return { text: 'Refused', tone: 'danger' };
  if (camera.state.phase === 'doubted') return { text: 'Identity in doubt', tone: 'danger' };
  if (camera.state.phase === 'isolated') return { text: 'Isolated until you decide', tone: 'danger' };
  if (camera.state.phase === 'unusable') return { text: 'Unusable stream', tone: 'danger' };
  if (camera.state.phase === 'stopped') return { text: 'Off', tone: '' };
  return { text: `Offline since ${moment(camera.state.since)}`, tone: 'danger' };
}

/** Whether it records, in words. */
export function recordingState(camera: Camera): { text: string; tone: 'good' | 'warn' | '' } {
  if (camera.recording.active) return { text: 'Recording', tone: 'good' };
  if (camera.mode === 'off') return { text: 'Recording off', tone: '' };
  if (doubtOf(camera)) return { text: 'Not recording until you decide', tone: 'warn' };
  const reason = camera.recording.reason;
  if (reason === 'no-vault') return { text: 'Not recording: no vault', tone: 'warn' };
  if (camera.mode === 'event' && (!reason || reason === 'mode-event')) return { text: 'Waiting for an event', tone: '' };
  if (!reason) return { text: 'About to record', tone: '' };
  return { text: `Not recording: ${lower(reasonText(reason))}`, tone: 'warn' };
}

/** Why the box keeps away from a camera until a person decides, since when, and what happened; undefined where it does not. */
export function doubtOf(camera: Camera): { title: string; detail: string } | undefined {
  const i = camera.isolation;
  if (i) {
    const title = `${i.cause === 'identity' ? 'Identity in doubt' : 'Not like itself'} since ${moment(i.since)}`;
    // The two keys stand where they are compared.
    if (i.presented) return { title, detail: 'Its key is not the one that was confirmed. It may have been reset or replaced, or somebody answers in its place. No password was sent.' };
    return { title, detail: i.detail.replace(/^The camera's identity is in doubt\. /, '') };
  }
  if (camera.pairing?.revoked) return { title: `Revoked, not connected since ${moment(camera.state.since)}`, detail: 'Its certificate was taken back. It has to be paired again before it can be seen or recorded.' };
  return undefined;
}

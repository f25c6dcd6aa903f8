/** States and reasons of the API in a person's words. */
import type { Camera } from '../api/types';
import { moment } from '../controls/format';
import { lookUp, m } from '../i18n/m';
import { inWords, type Said } from '../i18n/said';

/** Why nothing was recorded. */
export function reasonText(reason: string): string {
  return lookUp(m.cameras.reasons, reason) ?? reason;
}

/** What a camera does right now, and how good that is. */
export function cameraState(camera: Camera): { text: string; tone: 'good' | 'warn' | 'danger' | '' } {
  const { phase, since } = camera.state;
  const text = lookUp(m.cameras.phases, phase) ?? m.cameras.offlineSince(moment(since));
  if (phase === 'streaming') return { text, tone: 'good' };
  return { text, tone: phase === 'connecting' || phase === 'stopped' ? '' : 'danger' };
}

/** Whether it records, in words. */
export function recordingState(camera: Camera): { text: string; tone: 'good' | 'warn' | '' } {
  if (camera.recording.active) return { text: m.cameras.recording.yes, tone: 'good' };
  if (camera.mode === 'off') return { text: m.cameras.recording.off, tone: '' };
  if (doubtOf(camera)) return { text: m.cameras.recording.decide, tone: 'warn' };
  const reason = camera.recording.reason;
  if (reason === 'no-vault') return { text: m.cameras.recording.noVault, tone: 'warn' };
  if (camera.mode === 'event' && (!reason || reason === 'mode-event')) return { text: m.cameras.recording.waiting, tone: '' };
  if (!reason) return { text: m.cameras.recording.soon, tone: '' };
  return { text: m.cameras.recording.not(reasonText(reason)), tone: 'warn' };
}

/** Why the box keeps away from a camera until a person decides, since when, and what happened; undefined where it does not. */
export function doubtOf(camera: Camera): { title: string; detail: string } | undefined {
  const i = camera.isolation;
  if (i) {
    const title = i.cause === 'identity' ? m.cameras.doubt.identity(moment(i.since)) : m.cameras.doubt.unlike(moment(i.since));
    // The two keys stand where they are compared.
    if (i.presented) return { title, detail: m.cameras.doubt.key };
    return { title, detail: inWords(i.detail.replace(/^The camera's identity is in doubt\. /, ''), i.said) };
  }
  if (camera.pairing?.revoked) return { title: m.cameras.doubt.revoked(moment(camera.state.since)), detail: m.cameras.doubt.revokedDetail };
  return undefined;
}

/** What the trust in a camera means in a line, with the next better step, and that step at length where it is not the same for all cameras. */
export function trustLine(camera: Camera): { text: string; better?: string } {
  const { trust } = camera;
  if (trust === 'paired' || !camera.onvif) return { text: m.cameras.trust[trust] };
  return { text: m.cameras.trust[`${trust}Enrol`], better: m.cameras.trust.enrol };
}

/** The tracks that are left alone, each with the reason. */
export function skippedText(of: { skipped?: string[]; skipped_said?: Said[] }): string[] {
  return (of.skipped ?? []).map((text, i) => {
    const [track = '', why] = text.split(/: (.*)/, 2);
    return why === undefined ? text : `${track}: ${inWords(why, of.skipped_said?.[i])}`;
  });
}

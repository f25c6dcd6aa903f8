/** What happened, in a sentence. */
import type { Event } from '../api/types';
import { duration } from '../controls/format';
import type { IconName } from '../controls/icons';
import { lookUp, m } from '../i18n/m';
import { inWords } from '../i18n/said';

export type Group = 'motion' | 'doorbell' | 'away' | 'identity' | 'manual' | 'storage' | 'system';
export type Tone = 'plain' | 'good' | 'warn' | 'danger';

/** The kinds of events that a person tells apart, each with those of the API. */
export const groups: Record<Group, string[]> = {
  motion: ['motion', 'object'],
  doorbell: ['doorbell'],
  away: ['camera.offline', 'camera.online'],
  identity: ['camera.identity', 'camera.anomaly', 'tamper'],
  manual: ['manual', 'kept'],
  storage: ['storage'],
  system: ['system'],
};

export function groupOf(event: Event): Group | undefined {
  return (Object.keys(groups) as Group[]).find((group) => groups[group].includes(event.kind));
}

export const iconOf = (event: Event): IconName => icons[event.kind] ?? 'info';

const icons: Record<string, IconName> = {
  motion: 'motion',
  object: 'person',
  doorbell: 'events',
  tamper: 'warning',
  'camera.offline': 'away',
  'camera.online': 'returned',
  'camera.identity': 'shieldOff',
  'camera.anomaly': 'warning',
  manual: 'record',
  kept: 'pin',
  storage: 'disk',
  system: 'info',
};

/** How much it matters. */
export function toneOf(event: Event): Tone {
  switch (event.kind) {
    case 'camera.offline':
      return event.end ? 'warn' : 'danger';
    case 'camera.identity':
    case 'tamper':
    case 'storage':
      return 'danger';
    case 'camera.anomaly':
    case 'system':
      return 'warn';
    case 'camera.online':
      return 'good';
    default:
      return 'plain';
  }
}

const seconds = (event: Event) => (event.end ? (Date.parse(event.end) - Date.parse(event.start)) / 1000 : 0);

/** The sentence. `camera` is the name of the camera, where it is about one. */
export function sentence(event: Event, camera: string): string {
  const say = m.events.say;
  switch (event.kind) {
    case 'camera.offline':
      return event.end ? say.wasAway(camera, duration(seconds(event))) : say.away(camera);
    case 'camera.online':
      return say.back(camera);
    case 'camera.identity':
      if (event.labels.includes('pairing')) return say.pairingFailed(camera);
      if (event.labels.includes('revoked')) return say.revoked(camera);
      return event.labels.includes('identity') ? say.identity(camera) : say.isolated(camera);
    case 'camera.anomaly':
      return say.anomaly(camera);
    case 'motion':
      return say.motion(camera);
    case 'object':
      return say.object(camera, event.labels.join(', ') || say.something);
    case 'doorbell':
      return say.doorbell(camera);
    case 'tamper':
      return say.tamper(camera);
    case 'manual': {
      const by = event.data?.['by'];
      return typeof by === 'string' && by ? say.manualBy(camera, by) : say.manual(camera);
    }
    case 'kept':
      return say.kept(camera, String(event.data?.['by'] ?? ''));
    case 'storage':
    case 'system':
      return codeOf(event) ?? m.events.system;
    default:
      return say.other(event.kind, event.camera ? camera : m.events.box);
  }
}

const codeOf = (event: Event) => event.labels.map((label) => lookUp(m.events.codes, label)).find(Boolean);

/** What else there is to say; undefined for nothing. */
export function explanation(event: Event): string | undefined {
  const known = event.kind === 'camera.offline' ? m.events.reasons : event.kind === 'camera.anomaly' || event.kind === 'camera.identity' ? m.events.rules : {};
  const text = event.labels.map((label) => lookUp<string>(known, label)).find(Boolean);
  if (text) return text;
  const detail = event.data?.['detail'];
  return typeof detail === 'string' && detail ? inWords(detail, event.said) : undefined;
}

/** How long it lasted, where that is not in the sentence: "12 s"; or that it goes on. */
export function lasting(event: Event): string {
  if (!event.end) return m.events.goesOn;
  if (event.kind === 'camera.offline' || seconds(event) < 1) return '';
  return duration(seconds(event));
}

/** The moments whose pictures tell most, the best one first. */
export function momentsOf(event: Event): number[] {
  const start = Date.parse(event.start);
  // What was seen last before it went. A camera that falls silent is missed some seconds later.
  if (event.kind === 'camera.offline') return [start - 2000, start - 12_000, start - 30_000];
  return [start + (event.kind === 'motion' ? 1000 : 0)];
}

/** Where the timeline shows it; undefined where there is nothing to show. */
export function timelineOf(event: Event): string | undefined {
  if (!event.camera) return undefined;
  const at = Date.parse(event.start) - (event.kind === 'camera.offline' ? 15_000 : 1000);
  return `/timeline?camera=${event.camera}&at=${encodeURIComponent(new Date(at).toISOString())}`;
}

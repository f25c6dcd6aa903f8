/** What each check says, and where it is put right. The box gives codes and facts; the words are here. */
import type { Check } from '../api/types';
import { day } from '../controls/format';
import { m } from '../i18n/m';
import { daysText } from '../storage/parts';

export type State = Check['state'];

/** A link that lands on the right control, or an act that puts it right at once. */
export type Fix = { label: string; href: string; act?: undefined } | { label: string; href?: undefined; act: 'record' | 'seal' };

export interface Finding {
  id: string;
  state: State;
  name: string;
  text: string;
  fix?: Fix;
}

/** What only this browser knows, as a check. */
export function ownCheck(trusted: boolean | undefined): Check[] {
  if (trusted === undefined) return [];
  return [{ id: 'certificate', state: trusted ? 'good' : 'advise', cameras: [], names: [], number: 0, wanted: 0, at: null }];
}

const listed = (names: string[]) => names.join(', ');

/** A check in words; undefined for one that this page does not know yet. `camera` names a camera. */
export function find(check: Check, camera: (id: string) => string): Finding | undefined {
  const text = textOf(check, camera);
  const name = (m.safety.checks as Record<string, { name: string } | undefined>)[check.id]?.name;
  if (!name || !text) return undefined;
  const fix = check.state === 'good' ? undefined : fixOf(check, camera);
  return { id: check.id, state: check.state, name, text, ...(fix && { fix }) };
}

function textOf(check: Check, camera: (id: string) => string): string | undefined {
  const c = m.safety.checks;
  const { state, number } = check;
  const names = listed(check.cameras.length > 0 ? check.cameras.map(camera) : check.names);
  const good = state === 'good';
  switch (check.id) {
    case 'recording':
      return good ? c.recording.good(number) : state === 'advise' ? c.recording.advise : c.recording.bad(names);
    case 'switched-off':
      return good ? c['switched-off'].good : c['switched-off'].advise(names);
    case 'plain':
      return good ? c.plain.good : c.plain.bad(names);
    case 'isolated':
      return good ? c.isolated.good : c.isolated.bad(names);
    case 'tls12':
      return good ? c.tls12.good : c.tls12.advise(names);
    case 'network':
      return good ? c.network.good : c.network.advise(names);
    case 'vault':
      return good ? c.vault.good : c.vault.bad;
    case 'open':
      return good ? c.open.good : c.open.advise(names);
    case 'stale':
      return good ? c.stale.good : c.stale.advise(names);
    case 'kit':
      if (!check.at) return undefined; // there is no vault, which has a check of its own
      return good ? c.kit.good(day(check.at)) : c.kit.advise(names, day(check.at));
    case 'owners':
      return good ? c.owners.good(number) : c.owners.advise;
    case 'codes':
      return good ? c.codes.good(number) : state === 'advise' ? c.codes.advise(number) : c.codes.bad;
    case 'passkey':
      return good ? c.passkey.good : c.passkey.advise;
    case 'witness':
      if (!good) return c.witness.advise;
      return check.names.includes('syslog') ? c.witness.goodSyslog : c.witness.good(number);
    case 'retention':
      if (good) return c.retention.good(m.common.days(check.wanted));
      return number > 0 && number < check.wanted ? c.retention.advise(daysText(number), m.common.days(check.wanted)) : c.retention.brief(m.common.days(check.wanted));
    case 'disk':
      return c.disk[state];
    case 'backup':
      return good ? c.backup.good(number) : state === 'advise' ? c.backup.advise : c.backup.bad;
    case 'clock':
      return good ? c.clock.good : c.clock.bad;
    case 'logs':
      return good ? c.logs.good : c.logs.bad(names);
    case 'root':
      return good ? c.root.good : c.root.advise;
    case 'allow-list':
      return number > 0 ? c['allow-list'].listed(number) : c['allow-list'].good;
    case 'certificate':
      return good ? c.certificate.good : c.certificate.advise;
    default:
      return undefined;
  }
}

function fixOf(check: Check, camera: (id: string) => string): Fix | undefined {
  const fix = m.safety.fix;
  const one = check.cameras[0];
  switch (check.id) {
    case 'switched-off':
      return { label: fix.record, act: 'record' };
    case 'recording':
    case 'plain':
    case 'isolated':
    case 'tls12':
      return one && check.cameras.length === 1 ? { label: fix.camera(camera(one)), href: `/cameras#${one}` } : { label: fix.cameras, href: '/cameras' };
    case 'open':
      return { label: fix.seal, act: 'seal' };
    case 'stale':
      return { label: fix.vaults, href: '/vaults' };
    case 'kit':
      return { label: fix.kit, href: '/settings#kit' };
    case 'owners':
      return { label: fix.people, href: '/people#add' };
    case 'codes':
    case 'passkey':
      return { label: fix.account, href: check.id === 'codes' ? '/account#codes' : '/account#passkeys' };
    case 'witness':
    case 'logs':
      return { label: fix.log, href: '/log' };
    case 'retention':
      return { label: fix.rules, href: '/settings#days' };
    case 'disk':
      return { label: fix.storage, href: '/storage' };
    case 'root':
      return { label: fix.health, href: '/health#layers' };
    case 'certificate':
      return { label: fix.certificate, href: '/settings#certificate' };
    default:
      return undefined;
  }
}

const rank: Record<State, number> = { bad: 0, advise: 1, good: 2 };

/** All in words, what matters most first. */
export function findings(checks: Check[], camera: (id: string) => string): Finding[] {
  return checks
    .map((check) => find(check, camera))
    .filter((f) => f !== undefined)
    .sort((a, b) => rank[a.state] - rank[b.state]);
}

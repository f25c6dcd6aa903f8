/**
 * The fingerprints that an owner has compared, in this browser. The box hands out the public keys of people, and could hand out another:
 * a key that was compared once need not be compared again when a vault's key is renewed, and one that changed since is noticed.
 */
import { fingerprintOf } from './fingerprint';

const name = (user: string) => `cardea.compared.${user}`;

export type Compared = 'same' | 'changed' | 'never';

export function compared(user: string, recipient: string, storage: Pick<Storage, 'getItem'> = localStorage): Compared {
  const kept = storage.getItem(name(user));
  if (kept === null) return 'never';
  return kept === fingerprintOf(recipient) ? 'same' : 'changed';
}

export function rememberCompared(user: string, recipient: string, storage: Pick<Storage, 'setItem'> = localStorage): void {
  storage.setItem(name(user), fingerprintOf(recipient));
}

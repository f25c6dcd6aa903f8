/** Who has a key of their own, and who of them waits for an owner. Owners only: nobody else may grant. */
import { get } from '../api/client';
import type { PersonalKey } from '../api/types';
import { session } from '../session.svelte';
import { waitingFor } from './chain';

class Waiting {
  /** Everybody's public halves. */
  keys = $state.raw<PersonalKey[]>([]);
  readonly people = $derived(waitingFor(this.keys, session.vaults).filter((p) => p.user !== session.user?.id));

  async load(): Promise<void> {
    if (session.user?.role !== 'owner') return;
    const answer = await get('/api/keys');
    if (answer.ok) this.keys = answer.value;
  }
}

export const waiting = new Waiting();

/** The state of the box, asked for now and then while the app is open. */
import { get } from '../api/client';
import type { Health } from '../api/types';

class State {
  now = $state<Health>();

  async load(): Promise<void> {
    const answer = await get('/api/health');
    if (answer.ok) this.now = answer.value;
  }
}

export const health = new State();

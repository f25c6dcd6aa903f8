/** Groups of cameras. The house has them, so everybody sees the same ones, without the cameras that are not for them. */
import { get, put } from '../api/client';
import { sayProblem } from '../controls/toasts.svelte';

export interface Group {
  id: string;
  name: string;
  cameras: string[];
}

class State {
  list = $state<Group[]>([]);

  async load(): Promise<void> {
    const answer = await get('/api/groups');
    if (answer.ok) this.list = answer.value;
  }

  /** Replaces all of them; a group without an id is new. */
  async save(list: Group[]): Promise<boolean> {
    const answer = await put('/api/groups', { body: list });
    if (answer.ok) this.list = answer.value;
    else sayProblem(answer.problem);
    return answer.ok;
  }
}

export const groups = new State();

/** The cameras of this box, asked for again while a screen shows them. */
import { get, type Problem } from '../api/client';
import type { Camera } from '../api/types';

class State {
  list = $state<Camera[]>([]);
  loaded = $state(false);
  problem = $state<Problem>();

  async load(): Promise<void> {
    const answer = await get('/api/cameras');
    if (answer.ok) {
      this.list = [...answer.value].sort((a, b) => a.position - b.position || a.name.localeCompare(b.name));
      this.problem = undefined;
      this.loaded = true;
    } else if (!answer.aborted) this.problem = answer.problem;
  }

  /** Loads now and every few seconds; the function it returns ends that. */
  watch(): () => void {
    void this.load();
    const timer = setInterval(() => {
      if (!document.hidden) void this.load();
    }, 4000);
    return () => clearInterval(timer);
  }
}

export const cameras = new State();

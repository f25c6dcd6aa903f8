/** The feed: what is on the screen, more of it, and what happens meanwhile. */
import { get, patch, post, type Problem } from '../api/client';
import type { Event } from '../api/types';
import { sayProblem } from '../controls/toasts.svelte';
import { everything, merge, queryOf, type Filter } from './feed';

/** So many come at a time. */
const page = 60;
/** After the line broke, wait so long before another try, and longer each time. */
const firstWait = 1000;
const longestWait = 30_000;

export class Feed {
  list = $state.raw<Event[]>([]);
  loaded = $state(false);
  /** Nothing comes after the last one. */
  complete = $state(false);
  busy = $state(false);
  problem = $state<Problem>();
  /** The box tells of what happens as it happens. */
  live = $state(false);
  filter = $state.raw<Filter>(everything);
  /** What was marked as seen at once, last, to be undone. */
  marked = $state.raw<string[]>([]);

  private socket: WebSocket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wait = firstWait;
  private stopped = false;
  private asked = 0;

  /** Begins to follow the box; the function that it returns ends that. */
  follow(): () => void {
    this.stopped = false;
    this.connect();
    return () => {
      this.stopped = true;
      clearTimeout(this.timer);
      this.socket?.close();
    };
  }

  private connect(): void {
    const url = new URL('/api/events/live', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = (this.socket = new WebSocket(url));
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      const message = JSON.parse(data) as { type: 'ready' } | { type: 'event'; event: Event };
      if (message.type === 'event') {
        this.put(message.event);
        return;
      }
      // From now on nothing is missed, so what is there by now is asked for.
      this.live = true;
      this.wait = firstWait;
      void this.load();
    };
    socket.onclose = () => {
      this.live = false;
      if (this.stopped) return;
      if (!this.loaded) void this.load();
      this.timer = setTimeout(() => this.connect(), this.wait);
      this.wait = Math.min(this.wait * 2, longestWait);
    };
  }

  put(event: Event): void {
    if (this.loaded) this.list = merge(this.list, event, this.filter, this.complete);
  }

  async choose(filter: Filter): Promise<void> {
    this.filter = filter;
    this.loaded = false;
    this.marked = [];
    await this.load();
  }

  /** The newest page; what was loaded before is let go. */
  async load(): Promise<void> {
    const mine = ++this.asked;
    const answer = await get('/api/events', { query: { ...queryOf(this.filter), limit: page } as never });
    if (mine !== this.asked) return;
    this.problem = answer.problem;
    if (!answer.ok) return;
    this.list = answer.value;
    this.complete = answer.value.length < page;
    this.loaded = true;
  }

  async more(): Promise<void> {
    const last = this.list.at(-1);
    if (!last || this.complete || this.busy) return;
    const mine = this.asked;
    this.busy = true;
    const answer = await get('/api/events', { query: { ...queryOf(this.filter), limit: page, before: last.id } as never });
    this.busy = false;
    if (mine !== this.asked) return;
    if (!answer.ok) {
      sayProblem(answer.problem);
      return;
    }
    const known = new Set(this.list.map((e) => e.id));
    this.list = [...this.list, ...answer.value.filter((e) => !known.has(e.id))];
    this.complete = answer.value.length < page;
  }

  /** Changes one event; false when that did not work, which was said. */
  async change(event: Event, body: { reviewed?: boolean; keep?: boolean; note?: { vault?: string; sealed?: string } }): Promise<boolean> {
    const answer = await patch('/api/events/{id}', { path: { id: event.id }, body });
    if (answer.ok) this.put(answer.value);
    else sayProblem(answer.problem);
    return answer.ok;
  }

  /** Marks all that are on the screen and were not seen. */
  async seeAll(): Promise<void> {
    const ids = this.list.filter((e) => !e.reviewed).map((e) => e.id);
    if (await this.review(ids, true)) this.marked = ids;
  }

  async undo(): Promise<void> {
    if (await this.review(this.marked, false)) this.marked = [];
  }

  private async review(ids: string[], reviewed: boolean): Promise<boolean> {
    // The box takes a thousand at a time.
    for (let from = 0; from < ids.length; from += 1000) {
      const answer = await post('/api/events/review', { body: { ids: ids.slice(from, from + 1000), reviewed } });
      if (!answer.ok) {
        sayProblem(answer.problem);
        return false;
      }
      for (const event of answer.value) this.put(event);
    }
    return true;
  }
}

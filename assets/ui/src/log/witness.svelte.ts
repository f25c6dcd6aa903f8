/**
 * This browser as a witness: at each visit it compares the logs of the box with what it remembers of them. Who changes a
 * log afterwards would have to change this memory too.
 */
import { get, type Problem } from '../api/client';
import { m } from '../i18n/m';
import { faultText } from '../i18n/said';
import { alarms, keepAlarm, recall, remember, type Kept, type Known } from './memory';
import { judge, type Checkpoint } from './witness';

export const logs = ['access', 'footage'] as const;
export type LogName = (typeof logs)[number];

class Unreachable extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

class Witness {
  /** What was compared last, by log. */
  known = $state.raw<Partial<Record<LogName, Known>>>({});
  /** Alarms that nobody has read yet. */
  unread = $state.raw<Kept[]>([]);
  /** All alarms that this browser ever raised. */
  kept = $state.raw<Kept[]>([]);
  /** Why nothing could be compared, if so. */
  problem = $state<string>();

  /** Compares both logs. Tabs take turns. */
  async visit(): Promise<void> {
    this.problem = undefined;
    try {
      await navigator.locks.request('cardea-witness', async () => {
        for (const log of logs) await this.compare(log);
        this.kept = await alarms();
      });
    } catch (error) {
      this.problem = faultText(error);
    }
  }

  private async compare(log: LogName): Promise<void> {
    // What is remembered is read first: it must be older than what the box says.
    const remembered = await recall(log);
    const answer = await get('/api/log/checkpoint', { query: { log } });
    if (!answer.ok) throw new Unreachable(answer.problem ?? { title: m.vault.stopped, status: 0, detail: m.vault.stopped });
    const { size, root, checkpoint, vkey } = answer.value;
    const shown: Checkpoint = { size, root, checkpoint, vkey };
    const alarm = await judge(remembered, shown, async (old, to) => {
      const proof = await get('/api/log/proof', { query: { log, old, size: to } });
      if (!proof.ok) throw new Unreachable(proof.problem ?? { title: m.vault.stopped, status: 0, detail: m.vault.stopped });
      return proof.value.hashes;
    });
    if (!alarm) {
      const known = { ...shown, compared: new Date().toISOString() };
      await remember(log, known);
      this.known = { ...this.known, [log]: known };
      return;
    }
    if (this.unread.some((a) => a.log === log)) return;
    const kept: Kept = { log, alarm, noticed: new Date().toISOString(), remembered: remembered && { ...remembered }, shown };
    await keepAlarm(kept);
    this.unread = [...this.unread, kept];
  }

  /** The person has read it and goes on: from now on the log is compared with what the box showed. */
  async accept(kept: Kept): Promise<void> {
    await navigator.locks.request('cardea-witness', () => remember(kept.log, { ...kept.shown, compared: new Date().toISOString() }));
    this.unread = this.unread.filter((a) => a !== kept);
    await this.visit();
  }
}

export const witness = new Witness();

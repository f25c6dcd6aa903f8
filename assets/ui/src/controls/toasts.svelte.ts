/** Short messages about what just happened or failed. */
import type { Outcome, Problem } from '../api/client';

export type Tone = 'info' | 'good' | 'warn' | 'danger';

class Toasts {
  list = $state<{ id: number; text: string; tone: Tone }[]>([]);
  private next = 1;

  add(text: string, tone: Tone): void {
    if (this.list.some((t) => t.text === text)) return;
    const id = this.next++;
    this.list = [...this.list.slice(-2), { id, text, tone }];
    setTimeout(() => this.drop(id), tone === 'danger' ? 9000 : 5000);
  }

  drop(id: number): void {
    this.list = this.list.filter((t) => t.id !== id);
  }
}

export const toasts = new Toasts();

export function say(text: string, tone: Tone = 'info'): void {
  toasts.add(text, tone);
}

/** Shows a problem document to the person. */
export function sayProblem(problem: Problem | undefined): void {
  if (problem) toasts.add(problem.detail, 'danger');
}

/** The value, or undefined after the problem was shown. */
export function valueOf<T>(outcome: Outcome<T>): T | undefined {
  if (outcome.ok) return outcome.value;
  sayProblem(outcome.problem);
  return undefined;
}

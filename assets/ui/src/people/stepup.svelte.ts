/** Sensitive acts need a fresh proof of who one is: this asks for it, once for all calls that wait. */
import { whenStepUp } from '../api/client';

class StepUp {
  asking = $state(false);
  private waiting: ((proved: boolean) => void)[] = [];

  ask(): Promise<boolean> {
    this.asking = true;
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  end(proved: boolean): void {
    this.asking = false;
    for (const resolve of this.waiting.splice(0)) resolve(proved);
  }
}

export const stepUp = new StepUp();

whenStepUp(() => stepUp.ask());

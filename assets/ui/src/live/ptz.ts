/** Moving a camera: what is pressed is sent at once, and again while it is held, so that a lost stop stops it all the same. */
import { get, post, type Outcome } from '../api/client';

export interface Direction {
  pan: number;
  tilt: number;
  zoom: number;
}

export interface Abilities {
  presets: { token: string; name: string }[];
  pan_tilt: boolean;
  zoom: boolean;
}

export const still: Direction = { pan: 0, tilt: 0, zoom: 0 };

/** How long the camera moves without being told again. */
const moment = 1000;

export const abilities = (camera: string): Promise<Outcome<Abilities>> => get('/api/cameras/{id}/ptz', { path: { id: camera } });

/** One camera that is being moved by one person. */
export class Mover {
  private timer: ReturnType<typeof setInterval> | undefined;
  private sending: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly camera: string,
    private readonly onfail: (outcome: Outcome<unknown>) => void,
  ) {}

  private send(body: { move?: Direction; ms?: number; stop?: boolean; preset?: string; home?: boolean }): void {
    this.sending = this.sending.then(async () => {
      const outcome = await post('/api/cameras/{id}/ptz', { path: { id: this.camera }, body });
      if (!outcome.ok) this.onfail(outcome);
    });
  }

  start(move: Direction): void {
    clearInterval(this.timer);
    this.send({ move, ms: moment });
    this.timer = setInterval(() => this.send({ move, ms: moment }), moment / 2);
  }

  stop(): void {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.send({ stop: true });
  }

  preset(token: string): void {
    this.send({ preset: token });
  }

  home(): void {
    this.send({ home: true });
  }
}

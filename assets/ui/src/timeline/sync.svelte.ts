/**
 * Several cameras on one clock. One of them leads: the clock follows its picture and only its sound is heard; the others
 * follow the clock. Where none has a picture, the clock jumps to where it goes on.
 */
import { SvelteMap } from 'svelte/reactivity';
import { duration } from '../controls/format';
import { say } from '../controls/toasts.svelte';
import { m } from '../i18n/m';
import { Clock, keyFramesOnly } from './clock';
import { Playback, type ClipSource, type Has, type Status } from './playback.svelte';

interface Member {
  playback: Playback;
  video: HTMLVideoElement;
  has: Has;
}

/** How long one that has nothing yet is waited for, in ms. */
const patience = 4000;
/** A jump over less is not worth a word, in ms. */
const quietly = 2000;

export class Sync {
  /** The moment on the screen, in ms since 1970. */
  position = $state<number>();
  playing = $state(false);
  rate = $state(1);
  /** Of all together. */
  status = $state<Status>('idle');
  readonly members = new SvelteMap<string, Member>();

  /** How many pictures a second of what size a camera sends; to know what can be decoded. */
  streamOf: (camera: string) => { width: number; height: number; fps: number } = () => ({ width: 0, height: 0, fps: 0 });

  private readonly clock = new Clock(0);
  private lead = $state('');
  private muted = false;
  private thin = false;
  private waitingSince = 0;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(private readonly source: (camera: string) => ClipSource) {
    this.timer = setInterval(() => this.tick(), 60);
  }

  close(): void {
    clearInterval(this.timer);
    for (const { playback } of this.members.values()) playback.close();
    this.members.clear();
  }

  /** Adds a camera with the element that shows it. */
  add(camera: string, video: HTMLVideoElement): void {
    const playback = new Playback(video, this.source(camera), true);
    this.members.set(camera, { playback, video, has: { state: 'wait' } });
    this.tune();
    if (this.position !== undefined) void playback.seek(this.position, false, this.thin);
  }

  remove(camera: string): void {
    this.members.get(camera)?.playback.close();
    this.members.delete(camera);
    this.tune();
  }

  /** The one that leads. */
  get leader(): Playback | undefined {
    return this.members.get(this.lead)?.playback;
  }

  leads(camera: string): void {
    this.lead = camera;
    this.tune();
  }

  set sound(on: boolean) {
    this.muted = !on;
    this.tune();
  }

  /** The exact moment, for what is drawn with each picture of the screen. */
  get time(): number | undefined {
    return this.position === undefined ? undefined : this.clock.time;
  }

  seek(wall: number, play = true): void {
    this.clock.set(wall);
    this.position = wall;
    this.status = 'loading';
    this.waitingSince = performance.now();
    this.run(play);
    for (const member of this.members.values()) {
      member.has = { state: 'wait' };
      void member.playback.seek(wall, false, this.thin);
    }
  }

  run(going: boolean): void {
    // What is on the screen is what stays there.
    const shown = going ? undefined : this.leader?.shown();
    if (shown !== undefined && Math.abs(shown - this.clock.time) < 500) this.clock.set(shown);
    this.playing = going;
    this.clock.run(going);
  }

  toggle(): void {
    this.run(!this.playing);
  }

  set speed(rate: number) {
    this.rate = rate;
    this.clock.rate = rate;
    this.tune();
  }

  /** One picture on or back, standing still. */
  step(direction: 1 | -1): void {
    const leader = this.leader;
    if (!leader || this.position === undefined) return;
    this.run(false);
    if (this.thin) this.restart(false);
    const to = leader.neighbour(direction);
    if (to === undefined) {
      // Before what was fetched: a little back, where the picture before must be.
      this.seek(this.clock.time + direction * 60, false);
      return;
    }
    this.clock.set(to);
    this.position = to;
  }

  /** Hides everything until the vault is open. */
  lock(): void {
    for (const { playback } of this.members.values()) playback.lock();
    this.status = 'locked';
    this.run(false);
  }

  /** Sets speed, sound and kind of all players. */
  private tune(): void {
    for (const [camera, { playback, video }] of this.members) {
      playback.speed = this.rate;
      video.muted = this.muted || this.rate !== 1 || camera !== this.lead;
    }
    const thin = keyFramesOnly(this.rate, [...this.members.keys()].map((c) => this.streamOf(c)));
    if (thin !== this.thin) this.restart(thin);
  }

  private restart(thin: boolean): void {
    this.thin = thin;
    if (this.position === undefined || this.status === 'locked') return;
    for (const { playback } of this.members.values()) void playback.seek(this.clock.time, false, thin);
  }

  private tick(): void {
    if (this.position === undefined || this.members.size === 0 || this.status === 'locked') return;
    const leader = this.members.get(this.lead);
    const shown = leader?.playback.shown();
    // A long way off is a jump that the player has not made yet.
    if (shown !== undefined && this.clock.running && !this.clock.holding && Math.abs(shown - this.clock.time) < 1000 * Math.max(1, this.rate)) this.clock.set(shown);

    const wall = this.clock.time;
    const running = this.clock.running && !this.clock.holding;
    const all = [...this.members];
    for (const [camera, member] of all) member.has = member.playback.follow(wall, running, this.rate, camera === this.lead);
    const waits = all.some(([, member]) => member.has.state === 'wait' && member.playback.status !== 'trouble');
    const now = performance.now();
    if (!waits) this.waitingSince = now;
    const someone = all.some(([, member]) => member.has.state === 'picture');
    this.clock.hold(waits && (!someone || now - this.waitingSince < patience));
    this.judge(all.map(([, member]) => member), wall);
    this.position = this.clock.time;
  }

  private judge(all: Member[], wall: number): void {
    const statuses = all.map((member) => member.playback.status);
    if (statuses.includes('locked')) {
      this.status = 'locked';
      this.run(false);
    } else if (all.every((member) => member.playback.status === 'trouble')) this.status = 'trouble';
    else if (all.every((member) => member.has.state === 'gap' || member.has.state === 'end')) {
      const next = Math.min(...all.map((member) => (member.has.state === 'gap' ? member.has.until : Infinity)));
      if (next === Infinity) {
        if (!statuses.includes('loading')) {
          this.status = 'end';
          this.run(false);
        }
      } else if (this.clock.running) {
        this.status = 'ready';
        const skipped = next - wall;
        this.clock.set(next + 20);
        if (skipped > quietly) say(m.timeline.skipped(duration(skipped / 1000)));
      } else this.status = 'ready';
    } else if (all.some((member) => member.has.state === 'picture')) this.status = 'ready';
    else if (this.status !== 'ready') this.status = 'loading';
  }
}

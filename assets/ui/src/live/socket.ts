/** One WebSocket for all live pictures. It comes back by itself and subscribes again to what is still wanted. */
import type { Phase } from '../api/types';
import { inWords, type Said } from '../i18n/said';

/** What is asked for. */
export interface Subscription {
  camera: string;
  /** Nothing: the pictures come over WebRTC, and only the state of the camera is wanted. */
  quality?: 'main' | 'sub' | 'auto';
  silent: boolean;
}

/** How a camera is, as the box sees it. */
export interface State {
  phase: Phase;
  detail: string;
  /** Seconds since the newest picture that was sent, 0 while it is new. */
  age: number;
  /** Pictures that this browser was too slow for. */
  dropped: number;
}

/** Takes what arrives for one subscription. */
export interface Sink {
  /** A new stream begins; an init segment follows. `age` is how old its newest picture is already, in seconds. */
  init(mime: string, quality: 'main' | 'sub', age: number): void;
  /** Bytes of fMP4: the init segment, a part that starts with a key frame, or a part. `wall` is the capture time in ms. */
  bytes(kind: 'init' | 'key' | 'part', data: Uint8Array<ArrayBuffer>, wall: number): void;
  state(state: State): void;
  error(detail: string): void;
  /** Whether the way to the box is open. */
  connected(yes: boolean): void;
}

type Message =
  | { type: 'init'; id: number; mime: string; quality?: 'main' | 'sub'; age?: number }
  | { type: 'state'; id: number; phase: Phase; detail?: string; said?: Said; age?: number; dropped?: number }
  | { type: 'error'; id: number; detail: string; said?: Said };

const kinds = ['init', 'key', 'part'] as const;
/** id (4), kind (1), wall clock in µs (8). */
const headerBytes = 13;

export class LiveSocket {
  private socket: WebSocket | undefined;
  private next = 1;
  private readonly wanted = new Map<number, { what: Subscription; sink: Sink }>();
  private retry: ReturnType<typeof setTimeout> | undefined;
  private idle: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;

  /** Asks for a camera. The function it returns ends that. */
  subscribe(what: Subscription, sink: Sink): () => void {
    const id = this.next++;
    this.wanted.set(id, { what, sink });
    clearTimeout(this.idle);
    if (this.socket?.readyState === WebSocket.OPEN) {
      sink.connected(true);
      this.ask(id, what);
    } else if (!this.socket) this.connect();
    return () => {
      this.wanted.delete(id);
      if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: 'unsubscribe', id }));
      // From one screen to the next the same socket goes on.
      if (this.wanted.size === 0) this.idle = setTimeout(() => this.wanted.size === 0 && this.close(), 1000);
    };
  }

  private ask(id: number, what: Subscription): void {
    this.socket?.send(JSON.stringify({ type: what.quality ? 'subscribe' : 'state', id, ...what }));
  }

  private connect(): void {
    clearTimeout(this.retry);
    const socket = new WebSocket(`wss://${location.host}/api/live`);
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.failures = 0;
      for (const [id, { what, sink }] of this.wanted) {
        sink.connected(true);
        this.ask(id, what);
      }
    };
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      if (typeof event.data === 'string') this.text(event.data);
      else this.binary(event.data);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = undefined;
      for (const { sink } of this.wanted.values()) sink.connected(false);
      if (this.wanted.size === 0) return;
      // Spread out: after a power cut every browser of the house comes back at once.
      const wait = Math.min(15_000, 500 * 2 ** this.failures) * (0.5 + Math.random());
      this.failures = Math.min(this.failures + 1, 6);
      this.retry = setTimeout(() => this.connect(), wait);
    };
  }

  private text(text: string): void {
    const message = JSON.parse(text) as Message;
    const sink = this.wanted.get(message.id)?.sink;
    if (message.type === 'init') sink?.init(message.mime, message.quality ?? 'main', message.age ?? 0);
    else if (message.type === 'state') sink?.state({ phase: message.phase, detail: inWords(message.detail ?? '', message.said), age: message.age ?? 0, dropped: message.dropped ?? 0 });
    else if (message.type === 'error') sink?.error(inWords(message.detail, message.said));
  }

  private binary(data: ArrayBuffer): void {
    if (data.byteLength < headerBytes) return;
    const view = new DataView(data);
    const sink = this.wanted.get(view.getUint32(0))?.sink;
    const kind = kinds[view.getUint8(4)];
    if (sink && kind) sink.bytes(kind, new Uint8Array(data, headerBytes), Number(view.getBigUint64(5) / 1000n));
  }

  private close(): void {
    clearTimeout(this.retry);
    this.socket?.close();
    this.socket = undefined;
  }
}

export const live = new LiveSocket();

/** One WebSocket for all live pictures. It comes back by itself and subscribes again to what is still wanted. */
import type { Phase } from '../api/types';

/** Takes what arrives for one subscription. */
export interface Sink {
  /** A new stream begins; an init segment follows. */
  init(mime: string): void;
  /** Bytes of fMP4: the init segment, a part that starts with a key frame, or a part. `wall` is the capture time in ms. */
  bytes(kind: 'init' | 'key' | 'part', data: Uint8Array<ArrayBuffer>, wall: number): void;
  state(phase: Phase, detail: string): void;
  error(detail: string): void;
  /** Whether the way to the box is open. */
  connected(yes: boolean): void;
}

type Message =
  | { type: 'init'; id: number; mime: string; wall?: string }
  | { type: 'state'; id: number; phase: Phase; detail: string }
  | { type: 'error'; id: number; detail: string };

const kinds = ['init', 'key', 'part'] as const;
/** id (4), kind (1), wall clock in µs (8). */
const headerBytes = 13;

export class LiveSocket {
  private socket: WebSocket | undefined;
  private next = 1;
  private readonly wanted = new Map<number, { camera: string; sink: Sink }>();
  private retry: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;

  /** Asks for a camera's live picture. The function it returns ends that. */
  subscribe(camera: string, sink: Sink): () => void {
    const id = this.next++;
    this.wanted.set(id, { camera, sink });
    if (this.socket?.readyState === WebSocket.OPEN) {
      sink.connected(true);
      this.ask(id, camera);
    } else if (!this.socket) this.connect();
    return () => {
      this.wanted.delete(id);
      if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: 'unsubscribe', id }));
      if (this.wanted.size === 0) this.close();
    };
  }

  private ask(id: number, camera: string): void {
    this.socket?.send(JSON.stringify({ type: 'subscribe', id, camera, quality: 'main' }));
  }

  private connect(): void {
    clearTimeout(this.retry);
    const socket = new WebSocket(`wss://${location.host}/api/live`);
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.failures = 0;
      for (const [id, { camera, sink }] of this.wanted) {
        sink.connected(true);
        this.ask(id, camera);
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
    if (message.type === 'init') sink?.init(message.mime);
    else if (message.type === 'state') sink?.state(message.phase, message.detail);
    else if (message.type === 'error') sink?.error(message.detail);
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

/** Live pictures over WebRTC (WHEP): one offer, one answer, and then packets straight from the box, without a server between. */

/** From the answer until the box is reached; the other way is tried then. */
const patience = 1500;
/** From the offer to the answer. The box waits for a picture of the camera meanwhile. */
const answerPatience = 6000;

/** What is known of the way on this visit. A network that lets no UDP through does so for all cameras. */
export const way = {
  /** The box has answered, and no connection came about. */
  closed: false,
  open: 0,
};

/** The box gives one sign-in no more connections. */
const most = 10;

export function possible(): boolean {
  return !way.closed && way.open < most && 'RTCPeerConnection' in globalThis;
}

export type Ending = 'refused' | 'closed' | 'lost';

/** One camera over one connection. */
export class Connection {
  private readonly peer = new RTCPeerConnection();
  private resource = '';
  private ended = false;
  private up = false;
  private shown = false;
  private readonly stop = new AbortController();

  /**
   * @param onstream is called with what is to be shown once packets come.
   * @param onend is called once: refused by the box, closed to this network, or lost after it had worked.
   */
  constructor(
    private readonly camera: string,
    private readonly onstream: (stream: MediaStream) => void,
    private readonly onend: (why: Ending) => void,
  ) {
    way.open++;
  }

  async open(quality: string): Promise<void> {
    try {
      const { peer } = this;
      const stream = new MediaStream();
      for (const kind of ['video', 'audio']) {
        const { receiver } = peer.addTransceiver(kind, { direction: 'recvonly' });
        stream.addTrack(receiver.track);
        // The first packet has come: from now on there is something to show.
        if (kind === 'video') receiver.track.onunmute = () => this.arrived(stream);
        // As soon as it can be decoded; the network of a house has little jitter.
        if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
      }
      peer.onconnectionstatechange = () => {
        if (peer.connectionState === 'connected') this.up = true;
        else if (peer.connectionState === 'failed' || peer.connectionState === 'closed' || peer.connectionState === 'disconnected') this.end(this.up ? 'lost' : 'closed');
      };
      await peer.setLocalDescription();
      const timer = setTimeout(() => this.stop.abort(), answerPatience);
      const answer = await fetch(`/api/live/${this.camera}/whep?quality=${quality}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/sdp' },
        body: peer.localDescription?.sdp ?? '',
        signal: this.stop.signal,
      });
      clearTimeout(timer);
      if (!answer.ok) return this.end('refused');
      this.resource = answer.headers.get('Location') ?? '';
      const sdp = await answer.text();
      if (this.ended) return this.forget();
      await peer.setRemoteDescription({ type: 'answer', sdp });
      setTimeout(() => {
        if (this.up) return;
        const reached = peer.iceConnectionState === 'connected' || peer.iceConnectionState === 'completed';
        if (!reached) this.end('closed');
        else
          setTimeout(() => {
            if (!this.up) this.end('refused'); // the way is open; a busy machine is slow with its keys
          }, answerPatience);
      }, patience);
    } catch {
      this.end('refused');
    }
  }

  private arrived(stream: MediaStream): void {
    if (this.shown || this.ended) return;
    this.shown = true;
    this.onstream(stream);
  }

  /** Packets lost on the way and pictures not shown, beside those shown. */
  async counters(): Promise<{ got: number; lost: number } | undefined> {
    if (!this.up || this.ended) return undefined;
    for (const report of (await this.peer.getStats()).values()) {
      const r = report as { type: string; kind?: string; packetsReceived?: number; packetsLost?: number };
      if (r.type === 'inbound-rtp' && r.kind === 'video') return { got: r.packetsReceived ?? 0, lost: Math.max(0, r.packetsLost ?? 0) };
    }
    return undefined;
  }

  private end(why: Ending): void {
    if (this.ended) return;
    if (why === 'closed') way.closed = true;
    this.close();
    this.onend(why);
  }

  /** Ends it. `onend` is not called any more. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    way.open--;
    this.peer.onconnectionstatechange = null;
    this.peer.close();
    if (this.resource) this.forget();
    else this.stop.abort();
  }

  private forget(): void {
    void fetch(this.resource, { method: 'DELETE', keepalive: true }).catch(() => undefined);
  }
}

/** A person's voice to a camera with a loudspeaker: G.711 over WebRTC, as the camera takes it, for as long as a button is held. */

export type Trouble = 'microphone' | 'camera';

export class Talk {
  private peer: RTCPeerConnection | undefined;
  private microphone: MediaStream | undefined;
  private resource = '';
  private over = false;

  /** @param onchange says whether the voice arrives; `trouble` where it cannot. */
  constructor(
    private readonly camera: string,
    private readonly onchange: (speaking: boolean, trouble?: Trouble) => void,
  ) {}

  async begin(): Promise<void> {
    try {
      this.microphone = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
    } catch {
      this.end('microphone');
      return;
    }
    if (this.over) return this.end();
    try {
      const peer = new RTCPeerConnection();
      this.peer = peer;
      for (const track of this.microphone.getAudioTracks()) peer.addTransceiver(track, { direction: 'sendonly' });
      peer.onconnectionstatechange = () => {
        if (peer.connectionState === 'connected') this.onchange(true);
        else if (peer.connectionState === 'failed') this.end('camera');
      };
      await peer.setLocalDescription();
      const answer = await fetch(`/api/live/${this.camera}/talk`, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: peer.localDescription?.sdp ?? '' });
      if (!answer.ok) return this.end('camera');
      this.resource = answer.headers.get('Location') ?? '';
      const sdp = await answer.text();
      if (this.over) return this.end();
      await peer.setRemoteDescription({ type: 'answer', sdp });
    } catch {
      this.end('camera');
    }
  }

  /** Lets go: of the microphone first. */
  end(trouble?: Trouble): void {
    const told = this.over && !trouble;
    this.over = true;
    this.microphone?.getTracks().forEach((track) => track.stop());
    this.peer?.close();
    if (this.resource) void fetch(this.resource, { method: 'DELETE', keepalive: true }).catch(() => undefined);
    this.resource = '';
    if (!told) this.onchange(false, trouble);
  }
}

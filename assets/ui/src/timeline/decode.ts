/** Turns one key frame into a picture: by WebCodecs where the browser has it, else by a video element that nobody sees. */
import { MediaBuffer, playable } from '../live/source';
import { picturePart, videoOnly, type Track } from '../mp4/fragment';

/** Wide enough for a bubble on a sharp screen and for the feed of events. */
const width = 320;

/** The first codec of a MIME type, which is that of the picture. */
export function videoCodec(mime: string): string {
  return /codecs="\s*([^",\s]+)/.exec(mime)?.[1] ?? '';
}

export interface KeyFrame {
  mime: string;
  init: Uint8Array;
  track: Track;
  bytes: Uint8Array;
}

/** Null where this browser cannot decode it. */
export async function decode(frame: KeyFrame): Promise<ImageBitmap | null> {
  const codec = videoCodec(frame.mime);
  if ('VideoDecoder' in globalThis) {
    const config: VideoDecoderConfig = { codec, codedWidth: frame.track.width, codedHeight: frame.track.height, optimizeForLatency: true };
    if (frame.track.config) config.description = frame.track.config;
    if ((await VideoDecoder.isConfigSupported(config).catch(() => undefined))?.supported) return byCodec(config, frame.bytes);
  }
  return byElement(`video/mp4; codecs="${codec}"`, frame);
}

async function byCodec(config: VideoDecoderConfig, bytes: Uint8Array): Promise<ImageBitmap | null> {
  let picture: VideoFrame | undefined;
  const decoder = new VideoDecoder({
    output: (frame) => {
      picture?.close();
      picture = frame;
    },
    error: () => undefined, // flush tells
  });
  try {
    decoder.configure(config);
    decoder.decode(new EncodedVideoChunk({ type: 'key', timestamp: 0, data: bytes }));
    await decoder.flush();
    return picture ? await createImageBitmap(picture, small(picture.displayWidth)) : null;
  } catch {
    return null;
  } finally {
    picture?.close();
    if (decoder.state !== 'closed') decoder.close();
  }
}

const small = (from: number): ImageBitmapOptions => (from > width ? { resizeWidth: width, resizeQuality: 'medium' } : {});

let queue: Promise<unknown> = Promise.resolve();

/** One after the other: there is one element. */
function byElement(mime: string, frame: KeyFrame): Promise<ImageBitmap | null> {
  const job = queue.then(() => show(mime, frame));
  queue = job;
  return job;
}

async function show(mime: string, frame: KeyFrame): Promise<ImageBitmap | null> {
  if (!playable(mime)) return null;
  const video = document.createElement('video');
  video.muted = true;
  const buffer = new MediaBuffer(video, mime);
  try {
    const seen = new Promise<boolean>((resolve) => {
      video.addEventListener('loadeddata', () => resolve(true), { once: true });
      video.addEventListener('error', () => resolve(false), { once: true });
      setTimeout(() => resolve(false), 5000);
    });
    await buffer.append(videoOnly(frame.init));
    await buffer.append(picturePart(frame.track.id, 0, frame.track.scale, frame.bytes));
    video.currentTime = 0.01;
    return (await seen) ? await createImageBitmap(video, small(video.videoWidth)) : null;
  } catch {
    return null;
  } finally {
    buffer.close();
  }
}

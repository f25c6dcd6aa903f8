// What the virtual camera leaves in its stream for tests: an SEI message with picture number and time of capture
// (camera/agent/pattern). Finding it in bytes means that a plaintext picture was found.

/** The UUID of the message, as it stands in the stream. */
export const marker = Buffer.from('c42dea175a0e4f639b70318c5ed92a66', 'hex');

/** The pictures whose messages are in the bytes: number, and time of capture in ms since 1970. */
export function pictures(bytes) {
  const out = [];
  for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + 1)) {
    const body = unescape(bytes.subarray(at + marker.length, at + marker.length + 24)).subarray(0, 16);
    if (body.length === 16) out.push({ number: Number(body.readBigUInt64BE(0)), wall: Number(body.readBigUInt64BE(8) / 1000n) });
  }
  return out;
}

/** Takes the emulation prevention bytes out (ITU-T H.264 section 7.4.1). */
function unescape(bytes) {
  const out = [];
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out.push(byte);
  }
  return Buffer.from(out);
}

/** Pieces of an MP4's media that cannot stand anywhere by chance, spread over the file. */
export function samples(mp4, count = 300, length = 24) {
  const out = [];
  const start = mp4.indexOf('mdat');
  for (let i = 0; i < count * 20 && out.length < count; i++) {
    const at = start + Math.floor(((mp4.length - start - length) * i) / (count * 20));
    const piece = mp4.subarray(at, at + length);
    if (new Set(piece).size >= 16) out.push(piece);
  }
  return out;
}

/**
 * Which picture a video element shows, read from the strip of light and dark cells at its lower edge
 * (camera/agent/pattern, strip.go): number, and time of capture in ms since 1970. Undefined where no strip is seen.
 */
export async function onScreen(video) {
  const bits = await video.evaluate((v) => {
    if (v.readyState < 2 || !v.videoWidth) return undefined;
    const canvas = document.createElement('canvas');
    canvas.width = v.videoWidth;
    canvas.height = v.videoHeight;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(v, 0, 0);
    const cells = 50;
    const left = Math.floor((Math.ceil(v.videoWidth / 16) - cells) / 2) * 16;
    const y = Math.floor(v.videoHeight / 16) * 16 - 8;
    return Array.from({ length: cells }, (_, i) => context.getImageData(left + i * 16 + 8, y, 1, 1).data[1]);
  });
  if (!bits || bits[1] - bits[0] < 60) return undefined;
  const threshold = (bits[0] + bits[1]) / 2;
  const read = (from) => bits.slice(from, from + 24).reduce((n, level) => n * 2 + (level > threshold ? 1 : 0), 0);
  // The strip holds the lower 24 bits of the time, four and a half hours.
  const range = 2 ** 24;
  const now = Date.now();
  let wall = now - (now % range) + read(26);
  if (wall > now + range / 2) wall -= range;
  return { number: read(2), wall };
}

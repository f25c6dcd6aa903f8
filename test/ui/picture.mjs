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

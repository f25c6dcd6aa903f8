/** The picture that is on the screen, as a file of the person's. Nothing is asked of the camera or the box. */

const two = (n: number) => String(n).padStart(2, '0');

/** "Front door 2026-11-24 14.05.23.jpg": sorts by time and stands in any file system. */
export function fileName(camera: string, at: Date): string {
  const name = camera.replace(/[\\/:*?"<>|\p{Cc}]/gu, ' ').replace(/\s+/g, ' ').trim().slice(0, 60) || 'camera';
  return `${name} ${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}.${two(at.getMinutes())}.${two(at.getSeconds())}.jpg`;
}

/** Saves what a video element shows, or what lies behind it while it changes over; false where there is nothing. */
export async function snapshot(video: HTMLVideoElement, still: HTMLCanvasElement, camera: string, at: Date): Promise<boolean> {
  const ready = video.readyState >= 2 && video.videoWidth > 0;
  const canvas = document.createElement('canvas');
  canvas.width = ready ? video.videoWidth : still.width;
  canvas.height = ready ? video.videoHeight : still.height;
  canvas.getContext('2d')?.drawImage(ready ? video : still, 0, 0);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/jpeg', 0.92));
  if (!blob) return false;
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName(camera, at);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  return true;
}

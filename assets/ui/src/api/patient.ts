/**
 * `fetch` for reading that waits when the box asks for a pause of some seconds, as it does of whoever asks too fast (429 with
 * Retry-After). Longer pauses are for a person to hear of. Only for requests that may be repeated.
 */
export async function patient(input: string | URL, init: RequestInit = {}, tries = 4): Promise<Response> {
  for (;;) {
    const response = await fetch(input, init);
    const pause = Number(response.headers.get('Retry-After'));
    if (response.status !== 429 || !(pause > 0 && pause <= 3) || --tries <= 0) return response;
    await new Promise((resolve) => setTimeout(resolve, pause * 1000));
    init.signal?.throwIfAborted();
  }
}

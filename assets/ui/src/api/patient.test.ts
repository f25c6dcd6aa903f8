import { afterEach, expect, test, vi } from 'vitest';
import { patient } from './patient';

const answer = (status: number, pause?: string) => new Response('', { status, headers: pause ? { 'Retry-After': pause } : {} });

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test('a short pause is waited for, a long one is told', async () => {
  vi.useFakeTimers();
  const box = vi.fn().mockResolvedValueOnce(answer(429, '1')).mockResolvedValueOnce(answer(200)).mockResolvedValueOnce(answer(429, '30'));
  vi.stubGlobal('fetch', box);
  const waited = patient('/a');
  await vi.advanceTimersByTimeAsync(1000);
  expect((await waited).status).toBe(200);
  expect((await patient('/a')).status).toBe(429);
  expect(box).toHaveBeenCalledTimes(3);
});

test('whoever went away waits for nothing', async () => {
  vi.useFakeTimers();
  const box = vi.fn().mockResolvedValue(answer(429, '1'));
  vi.stubGlobal('fetch', box);
  const gone = new AbortController();
  const waited = expect(patient('/a', { signal: gone.signal })).rejects.toThrow();
  gone.abort();
  await vi.advanceTimersByTimeAsync(1000);
  await waited;
  expect(box).toHaveBeenCalledTimes(1);
});

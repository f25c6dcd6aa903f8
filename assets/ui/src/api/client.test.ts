import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { use } from '../i18n/m';
import { get, post, remove, whenSignedOut, whenStepUp } from './client';

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  vi.fn<typeof fetch>(async () => new Response(status === 204 ? null : typeof body === 'string' ? body : JSON.stringify(body), { status, headers }));

function box(reply: typeof fetch): void {
  vi.stubGlobal('fetch', reply);
}

beforeEach(() => vi.stubGlobal('location', { origin: 'https://box.test' }));
afterEach(() => vi.unstubAllGlobals());

test('a call fills in path and query and gives the value', async () => {
  const reply = answer(200, [{ id: 'a' }]);
  box(reply);
  expect(await get('/api/timeline', { query: { camera: 'x y', from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z', step: 5 } })).toEqual({ ok: true, value: [{ id: 'a' }] });
  expect(String(reply.mock.calls[0]?.[0])).toBe('https://box.test/api/timeline?camera=x+y&from=2026-01-01T00%3A00%3A00Z&to=2026-01-02T00%3A00%3A00Z&step=5');
  await get('/api/cameras/{id}', { path: { id: '../x' } });
  expect(String(reply.mock.calls[1]?.[0])).toBe('https://box.test/api/cameras/..%2Fx');
});

test('an empty list and an empty answer', async () => {
  box(answer(200, 'null'));
  expect(await get('/api/cameras')).toEqual({ ok: true, value: [] });
  box(answer(204, ''));
  expect(await remove('/api/session')).toEqual({ ok: true, value: undefined });
});

test('a problem document arrives with what helps', async () => {
  box(answer(429, { title: 'Too many tries', status: 429, detail: 'Wait.' }, { 'Retry-After': '7' }));
  const result = await post('/api/session', { body: { name: 'a', password: 'b', totp: 'c' } });
  expect(result).toMatchObject({ ok: false, aborted: false, problem: { title: 'Too many tries', detail: 'Wait.', retryAfter: 7 } });
  box(answer(422, { title: 'Invalid', detail: 'validation failed', errors: [{ message: 'name is too long', location: 'body.name' }] }));
  expect((await get('/api/cameras')).problem?.detail).toBe('validation failed (name is too long)');
});

test('a problem is told in the language of the person', async () => {
  const keyed = { type: 'camera-key', title: 'The key', status: 409, detail: 'The camera closed the connection.', code: 'camera.closed', errors: [{ location: 'body.fingerprint', message: 'ab'.repeat(32) }] };
  await use('de');
  box(answer(409, keyed));
  const told = (await get('/api/cameras')).problem;
  expect(told).toMatchObject({ title: 'Der Schlüssel der Kamera muss bestätigt werden', detail: 'Die Kamera hat die Verbindung beendet.', fingerprint: 'ab'.repeat(32), code: 'camera.closed' });
  box(answer(422, { title: 'Invalid', detail: 'validation failed', code: 'web.invalid', errors: [{ message: 'name is too long', location: 'body.name' }] }));
  expect((await get('/api/cameras')).problem).toMatchObject({ title: 'Etwas ist schiefgegangen', detail: 'Eine Angabe passt nicht. Prüfe, was du eingegeben hast.' });
  await use('en');
  box(answer(409, keyed));
  expect((await get('/api/cameras')).problem).toMatchObject({ title: 'The key', detail: 'The camera closed the connection.' });
});

test('a page of a proxy and no answer at all become problems, too', async () => {
  box(answer(502, '<html>'));
  expect((await get('/api/cameras')).problem).toMatchObject({ status: 502 });
  box(async () => {
    throw new TypeError('Failed to fetch');
  });
  expect((await get('/api/cameras')).problem).toMatchObject({ status: 0, title: 'No connection' });
});

test('aborted is not a problem', async () => {
  box(async () => {
    throw new DOMException('stopped', 'AbortError');
  });
  expect(await get('/api/cameras')).toEqual({ ok: false, aborted: true });
});

test('a lost session is told once the box says so, but not for a wrong password', async () => {
  const lost = vi.fn();
  whenSignedOut(lost);
  box(answer(401, { title: 'Sign in' }));
  await post('/api/session', { body: { name: 'a', password: 'b', totp: 'c' } });
  expect(lost).not.toHaveBeenCalled();
  await get('/api/cameras');
  expect(lost).toHaveBeenCalledOnce();
});

test('a sensitive call asks for a proof and is repeated once', async () => {
  const refusal = () => new Response(JSON.stringify({ type: 'step-up-required', title: 'Confirm', status: 403, detail: 'Confirm.' }), { status: 403 });
  const reply = vi.fn<typeof fetch>().mockResolvedValueOnce(refusal()).mockResolvedValueOnce(new Response('{"recovery_codes":["a"]}'));
  box(reply);
  const proof = vi.fn(async () => true);
  whenStepUp(proof);
  expect(await post('/api/account/recovery-codes')).toEqual({ ok: true, value: { recovery_codes: ['a'] } });
  expect(proof).toHaveBeenCalledTimes(1);
  const always = vi.fn<typeof fetch>(async () => refusal());
  box(always);
  expect((await post('/api/account/recovery-codes')).problem?.type).toBe('step-up-required');
  expect(always).toHaveBeenCalledTimes(2);
  whenStepUp(async () => false);
  expect((await post('/api/account/recovery-codes')).ok).toBe(false);
  expect(always).toHaveBeenCalledTimes(3);
});

test('a wrong proof does not sign anybody out', async () => {
  const out = vi.fn();
  whenSignedOut(out);
  box(answer(401, { title: 'Wrong', detail: 'Wrong.' }));
  await post('/api/session/step-up', { body: { password: 'x' } });
  expect(out).not.toHaveBeenCalled();
  await get('/api/sessions');
  expect(out).toHaveBeenCalledTimes(1);
});

import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Failure, Input, Operation, Output, Response } from './protocol';

/** The worker as the page talks to it. */
const waiting = new Map<number, (response: Response) => void>();
let locked = 0;
let next = 1;

beforeAll(async () => {
  vi.stubGlobal('postMessage', (message: Response) => {
    if ('event' in message) locked++;
    else waiting.get(message.id)?.(message);
  });
  vi.stubGlobal('onmessage', undefined);
  await import('./worker');
});
beforeEach(() => {
  locked = 0;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(async () => {
  await ask('lock', {});
  vi.useRealTimers();
});

async function answer<K extends Operation>(op: K, input: Input<K>): Promise<{ output?: Output<K>; failure?: Failure }> {
  const id = next++;
  const response = new Promise<Response>((resolve) => waiting.set(id, resolve));
  (globalThis.onmessage as (event: { data: unknown }) => void)({ data: { id, op, input } });
  const r = await response;
  if ('event' in r) throw new Error('an event is no answer');
  return r.ok ? { output: r.output as Output<K> } : { failure: r.failure };
}

async function ask<K extends Operation>(op: K, input: Input<K>): Promise<Output<K>> {
  const { output, failure } = await answer(op, input);
  if (!output) throw new Error(JSON.stringify(failure));
  return output;
}

const minutes = 60_000;

/** Makes a vault and unlocks it. */
async function vault(id: string): Promise<{ recipient: string; identity: string }> {
  const { recipient } = await ask('create', { type: 'x25519' });
  const { identity } = await ask('kit', {});
  await ask('adopt', { vault: id });
  return { recipient, identity };
}

test('an identity is forgotten after a while without a sign of life', async () => {
  await vault('A');
  vi.advanceTimersByTime(14 * minutes);
  await ask('touch', {});
  vi.advanceTimersByTime(14 * minutes);
  expect(locked).toBe(0);
  expect((await answer('sealTo', { vault: 'A', recipient: (await ask('personal', { passphrase: 'one two three four' })).recipient })).output).toBeDefined();
  vi.advanceTimersByTime(15 * minutes + 1);
  expect(locked).toBe(1);
  expect((await answer('remember', { vault: 'A', recipient: '' })).failure).toEqual({ kind: 'locked' });
  expect((await ask('ownRecipient', {})).recipient).toBeUndefined();
}, 30_000);

test('an identity is forgotten when the person locks', async () => {
  await vault('A');
  await ask('lock', {});
  expect(locked).toBe(1);
  expect((await answer('rewrap', { vault: 'A', passphrase: 'x' })).failure).toEqual({ kind: 'locked' });
  expect((await answer('kit', {})).failure).toEqual({ kind: 'locked' });
});

test('what was asked for before all was locked opens nothing after', async () => {
  const { recipient, identity } = await vault('A');
  const asked = answer('unlockKit', { vault: 'A', recipient, text: identity });
  await ask('lock', {});
  expect((await asked).failure).toEqual({ kind: 'aborted' });
  expect((await answer('rewrap', { vault: 'A', passphrase: 'x' })).failure).toEqual({ kind: 'locked' });
});

test('a passkey opens what it was let, and what was granted to the personal key since', async () => {
  const secret = () => new Uint8Array(32).fill(7);
  const a = await vault('A');
  const own = await ask('personal', { passphrase: 'one two three four' });
  const kept = await ask('sealForPasskey', { secret: secret() });
  expect(kept.vaults.map((v) => v.vault)).toEqual(['A']);
  const b = await vault('B');
  const { wrapped: granted } = await ask('sealTo', { vault: 'B', recipient: own.recipient });
  await ask('lock', {});

  const vaults = [
    { vault: 'A', recipient: a.recipient, wrapped: kept.vaults.map((v) => v.wrapped), sealed: [] },
    { vault: 'B', recipient: b.recipient, wrapped: [], sealed: [granted] },
  ];
  const used = secret();
  expect(await ask('unlockPasskey', { secret: used, personal: kept.personal, vaults })).toEqual({ opened: ['A', 'B'] });
  expect(used.every((byte) => byte === 0), 'the secret is wiped').toBe(true);
  expect((await ask('ownRecipient', {})).recipient).toBe(own.recipient);
  await ask('lock', {});
  expect(await ask('unlockPasskey', { secret: new Uint8Array(32).fill(8), personal: kept.personal, vaults })).toEqual({ opened: [] });
  expect((await answer('rewrap', { vault: 'A', passphrase: 'x' })).failure).toEqual({ kind: 'locked' });
}, 30_000);

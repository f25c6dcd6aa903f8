/**
 * The key worker: the only code that ever holds an identity. The page asks it to make one, to unlock one, and to open
 * pieces of clips; pictures come back, keys do not.
 *
 * It forgets every identity when asked to, and by itself after a while without a sign of life.
 */
import { Decrypter } from 'age-encryption';
import type { Problem } from '../api/client';
import { patient } from '../api/patient';
import { Clip, type ClipInfo } from './clip';
import { forgetDevice, openForDevice, sealForDevice } from './device';
import { createIdentity, findIdentity, openSealed, recipientOf, sealTo, unwrap, wrap } from './identity';
import { openWithPasskey, sealForPasskey } from './passkey';
import { openText, sealText } from './notes';
import type { Failure, Input, Operation, Output, Request, Response } from './protocol';
import { openKeys, sealKeys } from './sharekeys';
import { SealError, splitHeader } from './stream';

/** How long an unlocked vault stays open while nobody touches the page and nothing plays. */
const idleMilliseconds = 15 * 60_000;
/** Clips whose keys are kept. */
const keptClips = 32;

class LockedError extends Error {}

/** The box answered with a problem document. */
class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

let pending: { identity: string; recipient: string } | undefined;
const identities = new Map<string, string>();
/** The person's own key, which opens what owners granted to it. */
let personal: string | undefined;
const clips = new Map<string, Clip>();
const running = new Map<number, AbortController>();
let idle: ReturnType<typeof setTimeout> | undefined;

function send(message: Response, transfer: Transferable[] = []): void {
  postMessage(message, { transfer });
}

function touch(): void {
  clearTimeout(idle);
  if (identities.size > 0 || personal) idle = setTimeout(lock, idleMilliseconds);
}

function lock(): void {
  pending = personal = undefined;
  identities.clear();
  clips.clear();
  for (const job of running.values()) job.abort();
  clearTimeout(idle);
  send({ event: 'locked' });
}

async function unseal(vault: string, header: Uint8Array): Promise<Uint8Array> {
  const identity = held(vault);
  const age = new Decrypter();
  age.addIdentity(identity);
  try {
    return await age.decryptHeader(header);
  } catch {
    throw new SealError('other-vault');
  }
}

/** The page has the words for a problem without any. */
async function problemOf(response: globalThis.Response): Promise<ProblemError> {
  const body = (await response.json().catch(() => ({}))) as Partial<Problem>;
  return new ProblemError({ title: '', detail: '', ...body, status: response.status });
}

function fetchRange(id: string, begin: number, end: number, signal: AbortSignal): Promise<{ bytes: Uint8Array; size: number }> {
  return fetchFrom(`/api/clips/${id}/data`, {}, begin, end, signal);
}

async function fetchFrom(path: string, headers: Record<string, string>, begin: number, end: number, signal: AbortSignal): Promise<{ bytes: Uint8Array; size: number }> {
  const response = await patient(path, { headers: { ...headers, Range: `bytes=${begin}-${end - 1}` }, signal });
  if (!response.ok) {
    throw await problemOf(response);
  }
  let bytes = new Uint8Array(await response.arrayBuffer());
  // A server or proxy may answer a range with everything.
  if (response.status === 200) bytes = bytes.slice(begin, end);
  const total = /\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1];
  return { bytes, size: total ? Number(total) : begin + bytes.length };
}

function fetchPreview(id: string, begin: number, end: number, signal: AbortSignal): Promise<{ bytes: Uint8Array; size: number }> {
  return fetchFrom(`/api/clips/${id}/preview`, {}, begin, end, signal);
}

function clipOf(info: ClipInfo): Clip {
  if (!identities.has(info.vault)) throw new LockedError();
  const name = info.file ? `${info.id} ${info.file}` : info.id;
  let clip = clips.get(name);
  if (clip) {
    clips.delete(name); // and put back as the youngest
    clip.update(info);
  } else {
    clip = new Clip(info, info.file ? fetchPreview : fetchRange, unseal);
  }
  clips.set(name, clip);
  for (const oldest of clips.keys()) {
    if (clips.size <= keptClips) break;
    clips.delete(oldest);
  }
  return clip;
}

/** Takes an identity that fits the recipient. Not where all was locked since it was asked for. */
async function accept(vault: string, recipient: string, identity: string | undefined, signal: AbortSignal): Promise<{ opened: boolean }> {
  if (!identity || (await recipientOf(identity)) !== recipient) return { opened: false };
  signal.throwIfAborted();
  identities.set(vault, identity);
  touch();
  return { opened: true };
}

function held(vault: string): string {
  const identity = identities.get(vault);
  if (!identity) throw new LockedError();
  return identity;
}

function made(): { identity: string; recipient: string } {
  if (!pending) throw new LockedError();
  return pending;
}

/** The link that a guest has opened: its clips with their keys. */
let guest: { share: string; view: string; keys: Map<string, Uint8Array>; clips: Map<string, Clip> } | undefined;

function sharedClip(info: ClipInfo): Clip {
  const link = guest;
  const fileKey = link?.keys.get(info.id);
  if (!link || !fileKey) throw new LockedError();
  let clip = link.clips.get(info.id);
  if (!clip) {
    const path = `/api/s/${link.share}/clips/${info.id}/data`;
    clip = new Clip(
      info,
      (_, begin, end, signal) => fetchFrom(path, { 'Cardea-View': link.view }, begin, end, signal),
      async () => fileKey,
    );
    link.clips.set(info.id, clip);
  }
  return clip;
}

const operations: { [K in Operation]: (input: Input<K>, signal: AbortSignal) => Promise<Output<K>> } = {
  async create({ type }) {
    pending = await createIdentity(type);
    return { recipient: pending.recipient };
  },
  async kit() {
    return { identity: made().identity };
  },
  async wrap({ passphrase }) {
    return { wrapped: await wrap(made().identity, passphrase) };
  },
  async adopt({ vault }) {
    identities.set(vault, made().identity);
    pending = undefined;
    touch();
    return {};
  },
  async matches({ text, recipient }) {
    const identity = findIdentity(text);
    return { found: identity !== undefined, match: identity !== undefined && (await recipientOf(identity)) === recipient };
  },
  async unlock({ vault, recipient, wrapped, passphrase }, signal) {
    return accept(vault, recipient, await unwrap(wrapped, passphrase), signal);
  },
  async unlockKit({ vault, recipient, text }, signal) {
    return accept(vault, recipient, findIdentity(text), signal);
  },
  async remember({ vault }) {
    return { wrapped: await sealForDevice(vault, held(vault)) };
  },
  async unlockDevice({ vault, recipient, wrapped }, signal) {
    return accept(vault, recipient, await openForDevice(vault, wrapped), signal);
  },
  async forget({ vault }) {
    await forgetDevice(vault);
    return {};
  },
  async rewrap({ vault, passphrase }) {
    return { wrapped: await wrap(held(vault), passphrase) };
  },
  async lock() {
    lock();
    return {};
  },
  async touch() {
    touch();
    return {};
  },
  async read({ clip: info, from, to }, signal) {
    touch();
    const clip = clipOf(info);
    const bytes = await clip.read(from, to, signal);
    return { bytes: bytes.slice().buffer, verified: clip.verified };
  },
  async personal({ passphrase }) {
    const { identity, recipient } = await createIdentity('hybrid');
    const wrapped = await wrap(identity, passphrase);
    personal = identity;
    touch();
    return { recipient, wrapped };
  },
  async unlockPersonal({ wrapped, passphrase }, signal) {
    const identity = await unwrap(wrapped, passphrase);
    signal.throwIfAborted();
    if (identity) personal = identity;
    touch();
    return { opened: identity !== undefined };
  },
  async ownRecipient() {
    return { recipient: personal && (await recipientOf(personal)) };
  },
  async sealTo({ vault, recipient }) {
    return { wrapped: await sealTo(held(vault), recipient) };
  },
  async sealNewTo({ recipient }) {
    return { wrapped: await sealTo(made().identity, recipient) };
  },
  async unlockSealed({ vault, recipient, wrapped }, signal) {
    return accept(vault, recipient, personal && (await openSealed(wrapped, personal)), signal);
  },
  async sealForPasskey({ secret }) {
    const vaults = await Promise.all([...identities].map(async ([vault, identity]) => ({ vault, wrapped: await sealForPasskey(secret, { vault }, identity) })));
    const own = personal === undefined ? undefined : await sealForPasskey(secret, 'personal', personal);
    secret.fill(0);
    return { vaults, personal: own };
  },
  async unlockPasskey({ secret, vaults, personal: own }, signal) {
    const key = own && (await openWithPasskey(secret, 'personal', own));
    signal.throwIfAborted();
    personal = key ?? personal;
    const opened: string[] = [];
    for (const { vault, recipient, wrapped, sealed } of vaults) {
      const found = [
        ...(await Promise.all(wrapped.map((w) => openWithPasskey(secret, { vault }, w)))),
        ...(await Promise.all(personal ? sealed.map((w) => openSealed(w, personal ?? '')) : [])),
      ];
      for (const identity of found) {
        if (!(await accept(vault, recipient, identity, signal)).opened) continue;
        opened.push(vault);
        break;
      }
    }
    secret.fill(0);
    touch();
    return { opened };
  },
  async reveal({ vault }) {
    const body = JSON.stringify({ identity: held(vault) });
    const response = await fetch(`/api/vaults/${vault}/open`, { method: 'POST', headers: { 'Content-Type': 'application/json', Accept: 'application/json' }, body });
    if (!response.ok) throw await problemOf(response);
    return {};
  },
  async sealNote({ text, recipient }) {
    return { sealed: await sealText(text, recipient) };
  },
  async openNote({ vault, sealed }) {
    touch();
    return { text: await openText(sealed, held(vault)) };
  },
  async share({ clips: infos }, signal) {
    touch();
    const fileKeys = new Map<string, Uint8Array>();
    for (const info of infos) {
      const { bytes } = await fetchRange(info.id, 0, info.headerBytes, signal);
      const head = splitHeader(bytes);
      if (!head) throw new SealError('changed');
      fileKeys.set(info.id, await unseal(info.vault, head.header));
    }
    return sealKeys(fileKeys);
  },
  async openShare({ share, view, key, sealed }) {
    const fileKeys = await openKeys(key, sealed);
    guest = fileKeys && { share, view, keys: fileKeys, clips: new Map() };
    return { opened: guest !== undefined };
  },
  async readShared({ clip: info, from, to }, signal) {
    const clip = sharedClip(info);
    const bytes = await clip.read(from, to, signal);
    return { bytes: bytes.slice().buffer, verified: clip.verified };
  },
};

function failure(error: unknown): Failure {
  if (error instanceof DOMException && error.name === 'AbortError') return { kind: 'aborted' };
  if (error instanceof LockedError) return { kind: 'locked' };
  if (error instanceof SealError) return { kind: 'sealed', fault: error.fault };
  if (error instanceof ProblemError) return { kind: 'problem', problem: error.problem };
  // fetch tells nothing more than this when there is no way to the box.
  if (error instanceof TypeError) return { kind: 'problem', problem: { status: 0, title: '', detail: '' } };
  return { kind: 'internal', message: error instanceof Error ? error.message : String(error) };
}

async function handle(request: Request): Promise<void> {
  if ('abort' in request) {
    running.get(request.abort)?.abort();
    return;
  }
  const { id, op, input } = request;
  const job = new AbortController();
  running.set(id, job);
  try {
    const work = operations[op] as (input: unknown, signal: AbortSignal) => Promise<unknown>;
    const output = await work(input, job.signal);
    const bytes = (output as { bytes?: unknown }).bytes;
    send({ id, ok: true, output }, bytes instanceof ArrayBuffer ? [bytes] : []);
  } catch (error) {
    send({ id, ok: false, failure: failure(error) });
  } finally {
    running.delete(id);
  }
}

onmessage = (event: MessageEvent<Request>) => void handle(event.data);

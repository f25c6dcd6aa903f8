/** The page's side of the key worker: asks, and knows which vaults are open. It never sees an identity but for the kit. */
import workerUrl from './worker.ts?worker&url';
import { get, inLanguage, post, put, remove, type Problem } from '../api/client';
import type { Grant, Passkey, Vault } from '../api/types';
import { m } from '../i18n/m';
import { device } from '../people/words';
import { stepUp } from '../people/stepup.svelte';
import { scriptUrl } from '../trusted';
import { fromBase64, toBase64 } from './base64';
import type { Failure, Input, Operation, Output, Response, Secret } from './protocol';

/** A request to the key worker that failed, with why. */
export class KeyError extends Error {
  constructor(readonly failure: Failure) {
    super(explain(failure));
  }
}

function explain(failure: Failure): string {
  switch (failure.kind) {
    case 'aborted':
      return m.vault.stopped;
    case 'locked':
      return m.vault.isLocked;
    case 'sealed':
      return m.vault.faults[failure.fault];
    case 'problem':
      return problemOf(failure.problem).detail;
    default:
      return failure.message;
  }
}

/** The worker has no words of its own: it was not reached, or the box gave only a number. */
function problemOf(problem: Problem): Problem {
  if (problem.detail) return inLanguage(problem);
  if (problem.status === 0) return { ...problem, ...m.common.noConnection };
  return { ...problem, title: m.common.wrong, detail: m.common.status(problem.status) };
}

const stopped = (): Problem => ({ title: m.vault.stopped, status: 0, detail: m.vault.stopped });

class Keys {
  /** Ids of the vaults whose identity the worker holds. */
  open = $state<string[]>([]);
  /** The worker holds the person's own key. */
  personal = $state(false);

  /** Counts the times that all was locked: what was asked for before is not to open anything after. */
  private locks = 0;
  private worker: Worker | undefined;
  private next = 1;
  private readonly waiting = new Map<number, { resolve: (output: never) => void; reject: (error: Error) => void }>();

  /** Asks the worker. Rejects with KeyError. */
  ask<K extends Operation>(op: K, input: Input<K>, signal?: AbortSignal): Promise<Output<K>> {
    const worker = (this.worker ??= this.start());
    const id = this.next++;
    return new Promise<Output<K>>((resolve, reject) => {
      if (signal?.aborted) {
        reject(new KeyError({ kind: 'aborted' }));
        return;
      }
      this.waiting.set(id, { resolve: resolve as (output: never) => void, reject });
      signal?.addEventListener('abort', () => worker.postMessage({ abort: id }), { once: true });
      worker.postMessage({ id, op, input });
    });
  }

  private start(): Worker {
    const worker = new Worker(scriptUrl(workerUrl), { type: 'module', name: 'keys' });
    worker.onmessage = (event: MessageEvent<Response>) => {
      const message = event.data;
      if ('event' in message) {
        this.forgot();
        return;
      }
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.ok) waiting?.resolve(message.output as never);
      else waiting?.reject(new KeyError(message.failure));
    };
    worker.onerror = () => {
      for (const { reject } of this.waiting.values()) reject(new KeyError({ kind: 'internal', message: m.vault.noWorker }));
      this.waiting.clear();
    };
    return worker;
  }

  isOpen(vault: string): boolean {
    return this.open.includes(vault);
  }

  private opened(vault: string): void {
    if (!this.isOpen(vault)) this.open = [...this.open, vault];
  }

  /** Tells the worker that somebody is there. */
  touch(): void {
    if (this.worker && (this.open.length > 0 || this.personal)) void this.ask('touch', {});
  }

  async lock(): Promise<void> {
    if (this.worker) await this.ask('lock', {});
    this.forgot();
  }

  private forgot(): void {
    this.open = [];
    this.personal = false;
    this.locks++;
  }

  async adopt(vault: string): Promise<void> {
    await this.ask('adopt', { vault });
    this.opened(vault);
  }

  /**
   * Opens a vault with the passphrase, and then, without being waited for, whatever else of `all` the same passphrase opens: older keys,
   * and other vaults. The passphrase goes to the worker and nowhere else.
   */
  async unlock(vault: Vault, passphrase: string, all: Vault[] = []): Promise<'open' | 'wrong' | Problem> {
    const grants = await this.grants(vault);
    if (!Array.isArray(grants)) return grants;
    const result = await this.unlockOne(vault, grants, passphrase);
    if (result === 'open') void this.unlockOthers(all.filter((v) => v.id !== vault.id), passphrase).catch(() => undefined);
    return result;
  }

  private async unlockOthers(vaults: Vault[], passphrase: string): Promise<void> {
    const locks = this.locks;
    const key = await this.unlockPersonal(passphrase);
    // Whoever came by a passphrase before there were personal keys gets one now, so that what is granted later opens with the rest.
    if (typeof key !== 'string' && key.status === 404) await this.bringPersonal(passphrase);
    for (const vault of vaults) {
      if (this.locks !== locks) return;
      if (this.isOpen(vault.id) || vault.grants.length === 0) continue;
      const grants = await this.grants(vault);
      if (Array.isArray(grants)) await this.unlockOne(vault, grants, passphrase);
    }
  }

  private async grants(vault: Vault): Promise<Grant[] | Problem> {
    const grants = await get('/api/vaults/{id}/grants', { path: { id: vault.id } });
    return grants.ok ? grants.value : (grants.problem ?? stopped());
  }

  /** Opens a vault that was granted to the person's own key, while that is unlocked. */
  private async unlockSealed(vault: Vault, grants: Grant[]): Promise<boolean> {
    for (const wrapped of wrappedBy('sealed', grants)) {
      if (!(await this.ask('unlockSealed', { vault: vault.id, recipient: vault.recipient, wrapped })).opened) continue;
      this.opened(vault.id);
      return true;
    }
    return false;
  }

  private async unlockOne(vault: Vault, grants: Grant[], passphrase: string): Promise<'open' | 'wrong' | Problem> {
    // Cheaper than any passphrase, which takes a second of work and 128 MiB.
    if (this.personal && (await this.unlockSealed(vault, grants))) return 'open';
    for (const wrapped of wrappedBy('passphrase', grants)) {
      const input = { vault: vault.id, recipient: vault.recipient, wrapped, passphrase };
      if ((await this.ask('unlock', input)).opened) {
        this.opened(vault.id);
        return 'open';
      }
    }
    if (!grants.some((g) => g.kind === 'sealed')) return grants.some((g) => g.kind === 'passphrase') ? 'wrong' : noKey();
    const key = await this.unlockPersonal(passphrase);
    if (key !== 'open') return key;
    return (await this.unlockSealed(vault, grants)) ? 'open' : 'wrong';
  }

  /** Unlocks the person's own key, which opens what owners granted to them. */
  private async unlockPersonal(passphrase: string): Promise<'open' | 'wrong' | Problem> {
    if (this.personal) return 'open';
    const key = await get('/api/account/key');
    if (!key.ok) return key.problem ?? noKey();
    this.personal = (await this.ask('unlockPersonal', { wrapped: fromBase64(key.value.wrapped ?? ''), passphrase })).opened;
    return this.personal ? 'open' : 'wrong';
  }

  private async bringPersonal(passphrase: string): Promise<void> {
    const { recipient, wrapped } = await this.ask('personal', { passphrase });
    const stored = await put('/api/account/key', { body: { recipient, wrapped: toBase64(wrapped) } });
    this.personal = stored.ok;
  }

  /** Makes a person's own key and keeps it unlocked. */
  async makePersonal(passphrase: string): Promise<{ recipient: string; wrapped: Uint8Array }> {
    const made = await this.ask('personal', { passphrase });
    this.personal = true;
    return made;
  }

  /** Opens with the secret of a passkey what that one may open. Gives the ids of the vaults. The secret is wiped. */
  async unlockWithPasskey(passkey: Passkey, secret: Secret, vaults: Vault[]): Promise<string[]> {
    const wanted = [];
    for (const vault of vaults) {
      if (vault.grants.length === 0) continue;
      const grants = await this.grants(vault);
      if (!Array.isArray(grants)) continue;
      const own = grants.filter((g) => g.passkey === passkey.id);
      wanted.push({ vault: vault.id, recipient: vault.recipient, wrapped: wrappedBy('passkey', own), sealed: wrappedBy('sealed', grants) });
    }
    const asked = this.ask('unlockPasskey', { secret, personal: passkey.personal ? fromBase64(passkey.personal) : undefined, vaults: wanted });
    secret.fill(0); // the worker has a copy of its own
    const { opened } = await asked;
    for (const vault of opened) this.opened(vault);
    if (passkey.personal && opened.length > 0) this.personal = (await this.ask('ownRecipient', {})).recipient !== undefined;
    return opened;
  }

  /** Lets a passkey open everything that is unlocked now. The secret is wiped. */
  async letPasskeyOpen(passkey: Passkey, secret: Secret): Promise<Problem | undefined> {
    const asked = this.ask('sealForPasskey', { secret });
    secret.fill(0);
    const { vaults, personal } = await asked;
    for (const { vault, wrapped } of vaults) {
      const made = await post('/api/vaults/{id}/grants', { path: { id: vault }, body: { kind: 'passkey', passkey: passkey.id, label: passkey.name, wrapped: toBase64(wrapped) } });
      if (!made.ok) return made.problem;
    }
    if (!personal) return undefined;
    const kept = await put('/api/passkeys/{id}/key', { path: { id: passkey.id }, body: { sealed: toBase64(personal) } });
    return kept.problem;
  }

  /** Hands the identity of an unlocked vault to the box. Sensitive: a person proves who they are, and a second owner may have to agree. */
  async reveal(vault: string): Promise<Problem | undefined> {
    for (let again = true; ; again = false) {
      try {
        await this.ask('reveal', { vault });
        return undefined;
      } catch (error) {
        const failure = error instanceof KeyError ? error.failure : undefined;
        if (failure?.kind !== 'problem') throw error;
        if (failure.problem.type !== 'step-up-required' || !again) return problemOf(failure.problem);
        if (!(await stepUp.ask())) return stopped();
      }
    }
  }

  /** Opens a vault with its recovery kit. */
  async unlockWithKit(vault: Vault, text: string): Promise<boolean> {
    const { opened } = await this.ask('unlockKit', { vault: vault.id, recipient: vault.recipient, text });
    if (opened) this.opened(vault.id);
    return opened;
  }

  /** Opens the vaults that this device was allowed to remember. Quiet: it is a convenience. */
  async unlockRemembered(vaults: Vault[]): Promise<void> {
    for (const vault of vaults) {
      if (!localStorage.getItem(rememberKey(vault.id)) || this.isOpen(vault.id)) continue;
      const grants = await get('/api/vaults/{id}/grants', { path: { id: vault.id } });
      if (!grants.ok) continue;
      const id = localStorage.getItem(rememberKey(vault.id));
      const grant = grants.value.find((g) => g.id === id && g.wrapped);
      if (!grant?.wrapped) {
        // Revoked on the box, or by another person: the key here is of no use any more.
        await this.forgetHere(vault.id);
        continue;
      }
      const input = { vault: vault.id, recipient: vault.recipient, wrapped: fromBase64(grant.wrapped) };
      if ((await this.ask('unlockDevice', input)).opened) this.opened(vault.id);
    }
  }

  /** Lets this device open an unlocked vault without the passphrase from now on. */
  async remember(vault: Vault): Promise<Problem | undefined> {
    const { wrapped } = await this.ask('remember', { vault: vault.id, recipient: vault.recipient });
    const made = await post('/api/vaults/{id}/grants', {
      path: { id: vault.id },
      body: { kind: 'device', label: device(navigator.userAgent), wrapped: toBase64(wrapped) },
    });
    if (!made.ok) return made.problem;
    localStorage.setItem(rememberKey(vault.id), made.value.id);
    return undefined;
  }

  /** Puts another passphrase in the place of the old one. Recordings stay as they are: the key is the same. */
  async changePassphrase(vault: Vault, passphrase: string): Promise<Problem | undefined> {
    const old = await get('/api/vaults/{id}/grants', { path: { id: vault.id } });
    if (!old.ok) return old.problem;
    const { wrapped } = await this.ask('rewrap', { vault: vault.id, passphrase });
    // First the new one, so that there is always one that works.
    const made = await post('/api/vaults/{id}/grants', { path: { id: vault.id }, body: { kind: 'passphrase', wrapped: toBase64(wrapped) } });
    if (!made.ok) return made.problem;
    for (const grant of old.value) {
      if (grant.kind !== 'passphrase') continue;
      const gone = await remove('/api/vaults/{id}/grants/{grant}', { path: { id: vault.id, grant: grant.id } });
      if (!gone.ok) return gone.problem;
    }
    return undefined;
  }

  remembered(vault: string): string | null {
    return localStorage.getItem(rememberKey(vault));
  }

  /** Ends a device grant, on the box and here. */
  async forget(vault: string, grant: string): Promise<Problem | undefined> {
    const done = await remove('/api/vaults/{id}/grants/{grant}', { path: { id: vault, grant } });
    if (!done.ok && done.problem?.status !== 404) return done.problem;
    if (this.remembered(vault) === grant) await this.forgetHere(vault);
    return undefined;
  }

  private async forgetHere(vault: string): Promise<void> {
    localStorage.removeItem(rememberKey(vault));
    await this.ask('forget', { vault });
  }
}

const wrappedBy = (kind: Grant['kind'], grants: Grant[]) => grants.filter((g) => g.kind === kind).flatMap((g) => (g.wrapped ? [fromBase64(g.wrapped)] : []));

const noKey = (): Problem => ({ title: m.vault.noKey.title, status: 0, detail: m.vault.noKey.detail });

const rememberKey = (vault: string) => `cardea.grant.${vault}`;

export const keys = new Keys();

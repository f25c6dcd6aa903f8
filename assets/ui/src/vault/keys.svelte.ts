/** The page's side of the key worker: asks, and knows which vaults are open. It never sees an identity but for the kit. */
import workerUrl from './worker.ts?worker&url';
import { get, post, remove, type Problem } from '../api/client';
import type { Grant, Vault } from '../api/types';
import { scriptUrl } from '../trusted';
import { fromBase64, toBase64 } from './base64';
import type { Failure, Input, Operation, Output, Response } from './protocol';

/** A request to the key worker that failed, with why. */
export class KeyError extends Error {
  constructor(readonly failure: Failure) {
    super(explain(failure));
  }
}

function explain(failure: Failure): string {
  switch (failure.kind) {
    case 'aborted':
      return 'Stopped.';
    case 'locked':
      return 'The vault is locked.';
    case 'problem':
      return failure.problem.detail;
    default:
      return failure.message;
  }
}

class Keys {
  /** Ids of the vaults whose identity the worker holds. */
  open = $state<string[]>([]);

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
        this.open = [];
        return;
      }
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.ok) waiting?.resolve(message.output as never);
      else waiting?.reject(new KeyError(message.failure));
    };
    worker.onerror = () => {
      for (const { reject } of this.waiting.values()) reject(new KeyError({ kind: 'internal', message: 'The key worker could not be started.' }));
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
    if (this.worker && this.open.length > 0) void this.ask('touch', {});
  }

  async lock(): Promise<void> {
    if (this.worker) await this.ask('lock', {});
    this.open = [];
  }

  async adopt(vault: string): Promise<void> {
    await this.ask('adopt', { vault });
    this.opened(vault);
  }

  /** Opens a vault with its passphrase. The passphrase goes to the worker and nowhere else. */
  async unlock(vault: Vault, passphrase: string): Promise<'open' | 'wrong' | Problem> {
    const grants = await get('/api/vaults/{id}/grants', { path: { id: vault.id } });
    if (!grants.ok) return grants.problem ?? { title: 'Stopped', status: 0, detail: 'Stopped.' };
    for (const grant of grants.value) {
      if (grant.kind !== 'passphrase' || !grant.wrapped) continue;
      const input = { vault: vault.id, recipient: vault.recipient, wrapped: fromBase64(grant.wrapped), passphrase };
      if ((await this.ask('unlock', input)).opened) {
        this.opened(vault.id);
        return 'open';
      }
    }
    return this.unlockSealed(vault, grants.value, passphrase);
  }

  /** Opens a vault that an owner granted to this person's own key. */
  private async unlockSealed(vault: Vault, grants: Grant[], passphrase: string): Promise<'open' | 'wrong' | Problem> {
    const sealed = grants.filter((g) => g.kind === 'sealed' && g.wrapped);
    const locks = grants.some((g) => g.kind === 'passphrase');
    if (sealed.length === 0) return locks ? 'wrong' : noKey;
    const key = await get('/api/account/key');
    if (!key.ok) return key.problem ?? noKey;
    for (const grant of sealed) {
      const input = { vault: vault.id, recipient: vault.recipient, key: fromBase64(key.value.wrapped ?? ''), wrapped: fromBase64(grant.wrapped ?? ''), passphrase };
      if ((await this.ask('unlockSealed', input)).opened) {
        this.opened(vault.id);
        return 'open';
      }
    }
    return 'wrong';
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
      body: { kind: 'device', label: deviceLabel(), wrapped: toBase64(wrapped) },
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

const noKey: Problem = {
  title: 'No key to this vault',
  status: 0,
  detail: 'You have no key to these recordings yet. Make your own key under “Your account”, then ask an owner to give you access.',
};

const rememberKey = (vault: string) => `cardea.grant.${vault}`;

/** A name by which a person recognises this browser in a list. */
function deviceLabel(): string {
  const agent = navigator.userAgent;
  const browser = /Edg\//.test(agent) ? 'Edge' : /Firefox\//.test(agent) ? 'Firefox' : /Chrom(e|ium)\//.test(agent) ? 'Chrome' : /Safari\//.test(agent) ? 'Safari' : 'Browser';
  const system = /iPhone/.test(agent) ? 'iPhone' : /iPad/.test(agent) ? 'iPad' : /Android/.test(agent) ? 'Android' : /Mac OS X/.test(agent) ? 'Mac' : /Windows/.test(agent) ? 'Windows' : /Linux/.test(agent) ? 'Linux' : 'this device';
  return `${browser} on ${system}`;
}

export const keys = new Keys();

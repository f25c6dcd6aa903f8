/** Who is signed in, on which box, with which vaults. */
import { get, post, remove, type Outcome, type Problem, whenSignedOut } from './api/client';
import type { Session, Setup, User, Vault } from './api/types';
import { secondPasskey, signInWithPasskey, type Used } from './people/passkeys';
import { health } from './settings/health.svelte';
import { keys } from './vault/keys.svelte';

type Stage = 'loading' | 'unreachable' | 'unclaimed' | 'signed-out' | 'signed-in';

class State {
  stage = $state<Stage>('loading');
  setup = $state<Setup>();
  user = $state<User>();
  vaults = $state<Vault[]>([]);
  problem = $state<Problem>();
  /** The last sign-in used a recovery code, so the person should know it is spent. */
  recoveryCodeUsed = $state(false);

  /** A digest of the password that was used to sign in, unless the page was loaded since. */
  private password = $state.raw<{ salt: Uint8Array<ArrayBuffer>; digest: string }>();

  /** The vault that new recordings go to. */
  get vault(): Vault | undefined {
    return this.vaults.find((v) => v.default) ?? this.vaults[0];
  }

  async load(): Promise<void> {
    const setup = await get('/api/setup');
    if (!setup.ok) {
      this.problem = setup.problem;
      this.stage = 'unreachable';
      return;
    }
    this.setup = setup.value;
    if (!setup.value.claimed) {
      this.stage = 'unclaimed';
      return;
    }
    const session = await get('/api/session');
    if (session.ok) await this.enter(session.value);
    else if (session.problem?.status === 401) this.stage = 'signed-out';
    else {
      this.problem = session.problem;
      this.stage = 'unreachable';
    }
  }

  async signIn(name: string, password: string, totp: string): Promise<Outcome<Session>> {
    const session = await post('/api/session', { body: { name, password, totp } });
    if (session.ok) {
      await this.rememberPassword(password);
      await this.enter(session.value);
      this.recoveryCodeUsed = session.value.recovery_code_used ?? false;
    }
    return session;
  }

  /** Signs in with a password, and a passkey in the place of the code. */
  async signInWithBoth(name: string, password: string): Promise<Outcome<Session>> {
    const used = await secondPasskey(name, password);
    if (!used.ok) return used;
    const session = await post('/api/session', { body: { name, password, passkey: used.value.answer } });
    if (session.ok) {
      await this.rememberPassword(password);
      await this.enter(session.value);
      await this.unlockWith(used.value);
    }
    return session;
  }

  /** Signs in with a passkey: no name, no password. */
  async signInWithPasskey(): Promise<Outcome<Session>> {
    const used = await signInWithPasskey();
    if (!used.ok) return used;
    await this.enter(used.value.session);
    await this.unlockWith(used.value.used);
    return { ok: true, value: used.value.session };
  }

  /** The touch that signed in opens the vaults as well, where the passkey may. Quiet: whatever stays locked asks for the passphrase. */
  private async unlockWith(used: Used): Promise<void> {
    if (!used.secret || this.vaults.length === 0) return;
    const passkeys = await get('/api/passkeys');
    const passkey = passkeys.ok && passkeys.value.find((p) => p.credential === used.id);
    if (passkey) await keys.unlockWithPasskey(passkey, used.secret, this.vaults).catch(() => undefined);
    used.secret.fill(0);
  }

  /** Takes a session over that the box has just opened. */
  async enter(session: { user: User }): Promise<void> {
    this.user = session.user;
    // With what stands above every screen and in some of them, so that nothing moves when it comes. A disk that hangs holds nobody up.
    const soon = new Promise((go) => setTimeout(go, 1000));
    await Promise.all([this.loadVaults(), Promise.race([health.load(), soon])]);
    this.stage = 'signed-in';
    void keys.unlockRemembered(this.vaults).catch(() => undefined);
  }

  async loadVaults(): Promise<void> {
    const vaults = await get('/api/vaults');
    if (vaults.ok) this.vaults = vaults.value;
  }

  async signOut(): Promise<Problem | undefined> {
    await keys.lock();
    const done = await remove('/api/session');
    if (!done.ok && done.problem && done.problem.status !== 401) return done.problem;
    this.leave();
    return undefined;
  }

  /** The session is gone, whoever ended it: no key may stay. */
  leave(): void {
    void keys.lock();
    this.user = undefined;
    this.vaults = [];
    this.password = undefined;
    this.stage = 'signed-out';
  }

  /** Keeps a digest of the sign-in password, so that it can be refused as a vault passphrase. It stays in memory. */
  async rememberPassword(password: string): Promise<void> {
    const salt = crypto.getRandomValues(new Uint8Array(16));
    this.password = { salt, digest: await digest(salt, password) };
  }

  get knowsPassword(): boolean {
    return this.password !== undefined;
  }

  async isPassword(text: string): Promise<boolean> {
    return this.password !== undefined && (await digest(this.password.salt, text)) === this.password.digest;
  }
}

async function digest(salt: Uint8Array<ArrayBuffer>, text: string): Promise<string> {
  const body = new TextEncoder().encode(text.normalize('NFKC').trim());
  const all = new Uint8Array(salt.length + body.length);
  all.set(salt);
  all.set(body, salt.length);
  return String(new Uint8Array(await crypto.subtle.digest('SHA-256', all)));
}

export const session = new State();

whenSignedOut(() => {
  if (session.stage === 'signed-in') session.leave();
});

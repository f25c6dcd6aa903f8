/**
 * Passkeys (WebAuthn level 3). Besides signing in they can give, by the prf extension, a secret that only the
 * authenticator knows: it opens the vault in this browser, and is never sent anywhere.
 */
import { post, type Outcome, type Problem } from '../api/client';
import type { Passkey, Session, Vault } from '../api/types';
import { m } from '../i18n/m';

type Bytes = Uint8Array<ArrayBuffer>;

export function toBase64Url(bytes: ArrayBuffer | Uint8Array): string {
  let binary = '';
  for (const byte of new Uint8Array(bytes)) binary += String.fromCharCode(byte);
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

export function fromBase64Url(text: string): Bytes {
  return Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
}

/** What the authenticator makes the secret from. The same for all: the secret differs by passkey. */
const salt = new TextEncoder().encode('cardea vault key of a passkey v1');
const prf = { eval: { first: salt } };

interface Descriptor {
  id: string;
  type: 'public-key';
  transports?: AuthenticatorTransport[];
}

const descriptors = (list: unknown): PublicKeyCredentialDescriptor[] => ((list as Descriptor[] | undefined) ?? []).map((d) => ({ ...d, id: fromBase64Url(d.id) }));

interface Results {
  prf?: { enabled?: boolean; results?: { first?: ArrayBuffer } };
}

/** The secret among the results of a ceremony. */
function secretOf(credential: PublicKeyCredential): Bytes | undefined {
  const first = (credential.getClientExtensionResults() as Results).prf?.results?.first;
  return first && new Uint8Array(first);
}

/** The person closed the browser's dialog, or let it time out. */
const stopped = (detail = m.signin.noPasskeyUsed): Problem => ({ title: m.vault.stopped, status: 0, detail });

async function ask(work: () => Promise<Credential | null>): Promise<PublicKeyCredential | Problem> {
  try {
    return ((await work()) as PublicKeyCredential | null) ?? stopped();
  } catch (error) {
    if (error instanceof DOMException && error.name === 'InvalidStateError') return stopped(m.people.passkeyThere);
    return stopped();
  }
}

/** The answer of an authenticator as the box reads it. Results of extensions stay here: one of them is the secret. */
function json(credential: PublicKeyCredential): Record<string, unknown> {
  const response = credential.response as AuthenticatorAttestationResponse & AuthenticatorAssertionResponse;
  const fields: Record<string, unknown> = { clientDataJSON: toBase64Url(response.clientDataJSON) };
  if ('attestationObject' in response) {
    fields.attestationObject = toBase64Url(response.attestationObject);
    fields.transports = response.getTransports?.() ?? [];
  } else {
    const assertion = response as AuthenticatorAssertionResponse;
    fields.authenticatorData = toBase64Url(assertion.authenticatorData);
    fields.signature = toBase64Url(assertion.signature);
    if (assertion.userHandle) fields.userHandle = toBase64Url(assertion.userHandle);
  }
  return { id: credential.id, rawId: credential.id, type: credential.type, response: fields, clientExtensionResults: {} };
}

const isProblem = (x: PublicKeyCredential | Problem): x is Problem => 'status' in x;

export interface Made {
  passkey: Passkey;
  /** There at once with some authenticators, with others after the first use. */
  secret: Bytes | undefined;
}

/** Makes a passkey of the person's and enrols it. */
export async function addPasskey(name: string): Promise<Outcome<Made>> {
  const begun = await post('/api/passkeys/begin');
  if (!begun.ok) return begun;
  const { challenge, user, excludeCredentials, ...rest } = begun.value.options as Record<string, unknown>;
  const credential = await ask(() =>
    navigator.credentials.create({
      publicKey: {
        ...(rest as unknown as PublicKeyCredentialCreationOptions),
        challenge: fromBase64Url(challenge as string),
        user: { ...(user as PublicKeyCredentialUserEntity), id: fromBase64Url((user as { id: string }).id) },
        excludeCredentials: descriptors(excludeCredentials),
        extensions: { prf } as AuthenticationExtensionsClientInputs,
      },
    }),
  );
  if (isProblem(credential)) return { ok: false, aborted: false, problem: credential };
  const able = (credential.getClientExtensionResults() as Results).prf?.enabled ?? false;
  const made = await post('/api/passkeys', { body: { ceremony: begun.value.ceremony, name, prf: able, credential: json(credential) } });
  if (!made.ok) return made;
  return { ok: true, value: { passkey: made.value, secret: secretOf(credential) } };
}

interface Assertion {
  ceremony: string;
  credential: Record<string, unknown>;
}

/** What a ceremony of the box wants to be asked. */
async function answer(begun: { ceremony: string; options: unknown }): Promise<Outcome<Used>> {
  const { challenge, allowCredentials, ...rest } = begun.options as Record<string, unknown>;
  const credential = await ask(() =>
    navigator.credentials.get({
      publicKey: {
        ...(rest as unknown as PublicKeyCredentialRequestOptions),
        challenge: fromBase64Url(challenge as string),
        allowCredentials: descriptors(allowCredentials),
        extensions: { prf } as AuthenticationExtensionsClientInputs,
      },
    }),
  );
  if (isProblem(credential)) return { ok: false, aborted: false, problem: credential };
  return { ok: true, value: { answer: { ceremony: begun.ceremony, credential: json(credential) }, id: credential.id, secret: secretOf(credential) } };
}

/** The answer is for the box, the secret for the key worker, where the authenticator has one. */
export interface Used {
  answer: Assertion;
  /** Of the credential. */
  id: string;
  secret: Bytes | undefined;
}

/** Lets the person use a passkey. */
export async function usePasskey(): Promise<Outcome<Used>> {
  const begun = await post('/api/session/passkey/begin');
  return begun.ok ? answer(begun.value) : begun;
}

/** Lets the person use a passkey in the place of the code behind name and password. */
export async function secondPasskey(name: string, password: string): Promise<Outcome<Used>> {
  const begun = await post('/api/session/begin', { body: { name, password } });
  return begun.ok ? answer(begun.value) : begun;
}

export async function signInWithPasskey(): Promise<Outcome<{ session: Session; used: Used }>> {
  const used = await usePasskey();
  if (!used.ok) return used;
  const session = await post('/api/session/passkey', { body: used.value.answer });
  if (!session.ok) return session;
  return { ok: true, value: { session: session.value, used: used.value } };
}

/** Whether a passkey was let open a vault, as far as the box knows. */
export const opens = (passkey: Passkey, vault: Vault) =>
  vault.grants.some((g) => g.passkey === passkey.id || (g.kind === 'sealed' && passkey.personal !== undefined));

/** Asks for one of these passkeys to get its secret. Nothing of it goes to the box, so the challenge is of no importance. `name` is the box's. */
export async function touch(passkeys: Passkey[], name: string | undefined): Promise<Outcome<{ passkey: Passkey; secret: Bytes }>> {
  const credential = await ask(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        ...(name ? { rpId: name.toLowerCase() } : {}),
        allowCredentials: passkeys.map((p) => ({ id: fromBase64Url(p.credential), type: 'public-key' as const })),
        userVerification: 'required',
        extensions: { prf } as AuthenticationExtensionsClientInputs,
      },
    }),
  );
  if (isProblem(credential)) return { ok: false, aborted: false, problem: credential };
  const passkey = passkeys.find((p) => p.credential === credential.id);
  const secret = secretOf(credential);
  if (!passkey || !secret) return { ok: false, aborted: false, problem: stopped(m.people.passkeyNoKey) };
  return { ok: true, value: { passkey, secret } };
}

/**
 * Passkeys (WebAuthn level 3). Besides signing in they can give, by the prf extension, a secret that only the
 * authenticator knows: it opens the vault in this browser, and is never sent anywhere.
 */
import { get, post, type Outcome, type Problem } from '../api/client';
import type { Passkey, Session } from '../api/types';

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
export const stopped: Problem = { title: 'Stopped', status: 0, detail: 'No passkey was used.' };

async function ask(work: () => Promise<Credential | null>): Promise<PublicKeyCredential | Problem> {
  try {
    return ((await work()) as PublicKeyCredential | null) ?? stopped;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'InvalidStateError') return { ...stopped, detail: 'This device has a passkey of yours already.' };
    return stopped;
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

/** Lets the person use a passkey. The answer is for the box, the secret for the key worker. */
export async function usePasskey(): Promise<Outcome<{ answer: Assertion; id: string; secret: Bytes | undefined }>> {
  const begun = await post('/api/session/passkey/begin');
  if (!begun.ok) return begun;
  const { challenge, allowCredentials, ...rest } = begun.value.options as Record<string, unknown>;
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
  return { ok: true, value: { answer: { ceremony: begun.value.ceremony, credential: json(credential) }, id: credential.id, secret: secretOf(credential) } };
}

export async function signInWithPasskey(): Promise<Outcome<{ session: Session; secret: Bytes | undefined; id: string }>> {
  const used = await usePasskey();
  if (!used.ok) return used;
  const session = await post('/api/session/passkey', { body: used.value.answer });
  if (!session.ok) return session;
  return { ok: true, value: { session: session.value, secret: used.value.secret, id: used.value.id } };
}

/** Whether this browser and this address allow passkeys. */
export async function passkeysPossible(): Promise<boolean> {
  if (!('PublicKeyCredential' in globalThis)) return false;
  const setup = await get('/api/setup');
  return setup.ok && setup.value.passkeys;
}

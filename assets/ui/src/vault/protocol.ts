/** What the page and the key worker say to each other. */
import type { Problem } from '../api/client';
import type { ClipInfo } from './clip';
import type { VaultType } from './identity';
import type { SealFault } from './stream';

/** What an authenticator derived: 32 bytes. */
export type Secret = Uint8Array<ArrayBuffer>;

/** A vault with what a person holds of it. */
export interface PasskeyVault {
  vault: string;
  recipient: string;
  wrapped: Uint8Array[];
  sealed: Uint8Array[];
}

/** Each request of the page: what it carries and what comes back. */
export interface Protocol {
  /** Makes an identity and keeps it aside until `adopt`. */
  create: { in: { type: VaultType }; out: { recipient: string } };
  /** The identity kept aside, for the recovery kit. The one moment an identity leaves the worker. */
  kit: { in: object; out: { identity: string } };
  /** The identity kept aside, sealed with a passphrase. */
  wrap: { in: { passphrase: string }; out: { wrapped: Uint8Array } };
  /** The identity kept aside becomes that of a vault, unlocked. */
  adopt: { in: { vault: string }; out: object };
  /** Whether a text holds the identity of a recipient. */
  matches: { in: { text: string; recipient: string }; out: { found: boolean; match: boolean } };
  unlock: { in: { vault: string; recipient: string; wrapped: Uint8Array; passphrase: string }; out: { opened: boolean } };
  /** Unlocks with the recovery kit. */
  unlockKit: { in: { vault: string; recipient: string; text: string }; out: { opened: boolean } };
  /** Seals the identity of an unlocked vault with a key that this browser cannot give away. */
  remember: { in: { vault: string; recipient: string }; out: { wrapped: Uint8Array } };
  /** Unlocks with what `remember` gave. */
  unlockDevice: { in: { vault: string; recipient: string; wrapped: Uint8Array }; out: { opened: boolean } };
  /** Drops this browser's key: what `remember` gave is worthless from now on. */
  forget: { in: { vault: string }; out: object };
  /** Seals the identity of an unlocked vault with another passphrase. */
  rewrap: { in: { vault: string; passphrase: string }; out: { wrapped: Uint8Array } };
  lock: { in: object; out: object };
  /** Somebody is there: the idle timer starts anew. */
  touch: { in: object; out: object };
  read: { in: { clip: ClipInfo; from: number; to: number }; out: { bytes: ArrayBuffer; verified: boolean } };
  /** Makes a person's own key, sealed with their passphrase, and holds it as one that was unlocked. */
  personal: { in: { passphrase: string }; out: { recipient: string; wrapped: Uint8Array } };
  /** Seals the identity of an unlocked vault to a person's key. */
  sealTo: { in: { vault: string; recipient: string }; out: { wrapped: Uint8Array } };
  /** Unlocks the person's own key with what `personal` gave. */
  unlockPersonal: { in: { wrapped: Uint8Array; passphrase: string }; out: { opened: boolean } };
  /** The public half of the person's own key, as this browser knows it itself; undefined while that is locked. */
  ownRecipient: { in: object; out: { recipient: string | undefined } };
  /** Unlocks with what `sealTo` gave, while the person's own key is unlocked. */
  unlockSealed: { in: { vault: string; recipient: string; wrapped: Uint8Array }; out: { opened: boolean } };
  /** Seals all that is unlocked with keys from the secret of a passkey. */
  sealForPasskey: { in: { secret: Secret }; out: { vaults: { vault: string; wrapped: Uint8Array }[]; personal: Uint8Array | undefined } };
  /** Unlocks with what `sealForPasskey` gave; `sealed` is what was sealed to the person's own key. */
  unlockPasskey: { in: { secret: Secret; personal: Uint8Array | undefined; vaults: PasskeyVault[] }; out: { opened: string[] } };
  /** Sends the identity of an unlocked vault to the box, which can open its recordings from then on. */
  reveal: { in: { vault: string }; out: object };
  /** Seals the identity kept aside to a person's key. */
  sealNewTo: { in: { recipient: string }; out: { wrapped: Uint8Array } };
  /** Seals a note to a vault, which need not be open. */
  sealNote: { in: { text: string; recipient: string }; out: { sealed: Uint8Array } };
  /** The words of a note that was sealed to an unlocked vault. */
  openNote: { in: { vault: string; sealed: Uint8Array }; out: { text: string } };
  /** The file keys of clips, sealed under a fresh key that goes behind the # of a link. */
  share: { in: { clips: ClipInfo[] }; out: { key: string; sealed: Uint8Array } };
  /** Opens what `share` gave, for a guest with a permission of the box to read. */
  openShare: { in: { share: string; view: string; key: string; sealed: Uint8Array }; out: { opened: boolean } };
  readShared: { in: { clip: ClipInfo; from: number; to: number }; out: { bytes: ArrayBuffer; verified: boolean } };
}

export type Operation = keyof Protocol;
export type Input<K extends Operation> = Protocol[K]['in'];
export type Output<K extends Operation> = Protocol[K]['out'];

export type Request = { [K in Operation]: { id: number; op: K; input: Input<K> } }[Operation] | { abort: number };

/** Why a request failed. */
export type Failure =
  | { kind: 'aborted' }
  | { kind: 'locked' }
  | { kind: 'sealed'; fault: SealFault }
  | { kind: 'problem'; problem: Problem }
  | { kind: 'internal'; message: string };

export type Response =
  | { id: number; ok: true; output: unknown }
  | { id: number; ok: false; failure: Failure }
  | { event: 'locked' };

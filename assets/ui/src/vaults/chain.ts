/** Keys that took each other's place, and who can open what. */
import type { PersonalKey, Vault } from '../api/types';

/** The retired keys whose place a vault took, in the end, the latest first: older recordings are sealed to them. */
export function older(vaults: Vault[], vault: Vault): Vault[] {
  const line: Vault[] = [];
  for (let at: string | undefined = vault.id; at; ) {
    const before: Vault | undefined = vaults.find((v) => v.successor === at && !line.includes(v));
    if (before) line.push(before);
    at = before?.id;
  }
  return line;
}

export const holds = (vault: Vault, user: string) => vault.holders?.some((h) => h.user === user) ?? false;

/** Who has made a key and can open no vault yet. */
export function waitingFor(people: PersonalKey[], vaults: Vault[]): PersonalKey[] {
  return people.filter((p) => !vaults.some((v) => holds(v, p.user)));
}

/** How many of the older keys somebody lacks. */
export const lacks = (line: Vault[], user: string) => line.filter((v) => !holds(v, user));

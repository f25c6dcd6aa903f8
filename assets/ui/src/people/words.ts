/** Roles, scopes, acts and devices in a person's words. */
import { m } from '../i18n/m';

export const roles = ['viewer', 'member', 'owner'] as const;
export type Role = (typeof roles)[number];

const isRole = (role: string): role is Role => (roles as readonly string[]).includes(role);

export const roleLabel = (role: string) => (isRole(role) ? m.people.roles[role].label : role);
export const roleHint = (role: string) => (isRole(role) ? m.people.roles[role].hint : '');

export const scopes = ['read', 'media', 'control', 'admin'] as const;
export type Scope = (typeof scopes)[number];

export const scopeLabel = (scope: string) => m.people.scopes[scope as Scope]?.label ?? scope;

export const acts = ['user.remove', 'vault.open', 'evidence.export', 'log.purge'] as const;

/** What signed in, from what a browser says of itself. */
export function device(agent: string): string {
  const browser = /Edg\//.test(agent) ? 'Edge' : /Firefox\//.test(agent) ? 'Firefox' : /Chrom(e|ium)\//.test(agent) ? 'Chrome' : /Safari\//.test(agent) ? 'Safari' : '';
  const system = /iPhone/.test(agent) ? 'iPhone' : /iPad/.test(agent) ? 'iPad' : /Android/.test(agent) ? 'Android' : /Mac OS X/.test(agent) ? 'Mac' : /Windows/.test(agent) ? 'Windows' : /Linux/.test(agent) ? 'Linux' : '';
  if (browser && system) return m.people.browserOn(browser, system);
  return browser || system || agent.slice(0, 40) || m.people.unknownDevice;
}

/** "all cameras", "no camera", or names. */
export function sees(cameras: string[] | null, names: Map<string, string>): string {
  if (cameras === null) return m.people.allCameras;
  if (cameras.length === 0) return m.people.noCamera;
  return cameras.map((id) => names.get(id) ?? m.people.removedCamera).join(', ');
}

/** What an owner asks another one to agree to. The box tells it in English, as it stands in the log. */
export function asked(about: string): string {
  const { asks } = m.people;
  const forms: [RegExp, (one: string, two: string) => string][] = [
    [/^remove the account (.+)$/, asks.remove],
    [/^let the box open the vault (.+)$/, asks.open],
    [/^make (.+) an owner$/, asks.promote],
    [/^take the rights of an owner from (.+)$/, asks.demote],
    [/^invite (.+) as an owner$/, asks.invite],
    [/^take acts out of the approval by two owners$/, () => asks.rules],
    [/^hand out (\d+) recordings as evidence, the first of (.+)$/, asks.evidence],
    [/^erase what the logs say after (\d+) days instead of (\d+)$/, asks.erase],
    [/^save the recordings of a camera from (.+) to (.+)$/, asks.save],
  ];
  for (const [form, tell] of forms) {
    const found = form.exec(about);
    if (found) return tell(found[1] ?? '', found[2] ?? '');
  }
  return about;
}

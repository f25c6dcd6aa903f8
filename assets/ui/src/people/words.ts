/** Roles, scopes and acts in a person's words. */

export type Role = 'owner' | 'member' | 'viewer';

export const roles: { value: Role; label: string; hint: string }[] = [
  { value: 'viewer', label: 'Viewer', hint: 'Sees the cameras you choose, live and recorded. Changes nothing.' },
  { value: 'member', label: 'Member', hint: 'Sees cameras, starts recordings and gives out links.' },
  { value: 'owner', label: 'Owner', hint: 'Runs the box: cameras, people, vaults. Sees every camera and who saw what.' },
];

export const roleLabel = (role: string) => roles.find((r) => r.value === role)?.label ?? role;

export const scopes = [
  { value: 'read', label: 'Read', hint: 'States, events and the timeline. No pictures.' },
  { value: 'media', label: 'Pictures', hint: 'Live pictures, and recordings as sealed files.' },
  { value: 'control', label: 'Control', hint: 'Start recordings.' },
  { value: 'admin', label: 'Administration', hint: 'Everything its owner may do without a password. Give it to nothing you do not run yourself.' },
] as const;

export const scopeLabel = (scope: string) => scopes.find((s) => s.value === scope)?.label ?? scope;

export const acts = [
  { value: 'user.remove', label: 'Removing a person' },
  { value: 'vault.open', label: 'Letting the box open a vault' },
  { value: 'evidence.export', label: 'Exporting evidence' },
  { value: 'log.purge', label: 'Erasing the log' },
] as const;

/** What signed in, from what a browser says of itself. */
export function device(agent: string): string {
  const browser = /Edg\//.test(agent) ? 'Edge' : /Firefox\//.test(agent) ? 'Firefox' : /Chrom(e|ium)\//.test(agent) ? 'Chrome' : /Safari\//.test(agent) ? 'Safari' : '';
  const system = /iPhone/.test(agent) ? 'iPhone' : /iPad/.test(agent) ? 'iPad' : /Android/.test(agent) ? 'Android' : /Mac OS X/.test(agent) ? 'Mac' : /Windows/.test(agent) ? 'Windows' : /Linux/.test(agent) ? 'Linux' : '';
  if (browser && system) return `${browser} on ${system}`;
  return browser || system || agent.slice(0, 40) || 'Unknown device';
}

/** "all cameras", "no camera", or names. */
export function sees(cameras: string[] | null, names: Map<string, string>): string {
  if (cameras === null) return 'all cameras';
  if (cameras.length === 0) return 'no camera';
  return cameras.map((id) => names.get(id) ?? 'a removed camera').join(', ');
}

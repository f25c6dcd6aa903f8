/** The way to the screens, in the order and the groups in which people find them. */
import type { IconName } from './controls/icons';
import { m } from './i18n/m';
import { session } from './session.svelte';

export interface Entry {
  path: string;
  label: string;
  icon: IconName;
  /** The least role that it is for; everybody where it is missing. */
  role?: 'member' | 'owner';
  /** It has a place of its own in the bar of a phone; the others are under “More”. */
  bar?: boolean;
}

/** Four in the bar of a phone; “More” is the fifth. */
const all = (): Entry[][] => [
  [
    { path: '/live', label: m.common.shell.live, icon: 'live', bar: true },
    { path: '/timeline', label: m.common.shell.timeline, icon: 'timeline', bar: true },
    { path: '/events', label: m.common.shell.events, icon: 'events', bar: true },
    { path: '/cameras', label: m.common.shell.cameras, icon: 'cameras', bar: true },
  ],
  [
    { path: '/safety', label: m.common.shell.safety, icon: 'safe', role: 'owner' },
    { path: '/health', label: m.common.shell.health, icon: 'health' },
    { path: '/storage', label: m.common.shell.storage, icon: 'disk', role: 'member' },
  ],
  [
    { path: '/people', label: m.common.shell.people, icon: 'people', role: 'owner' },
    { path: '/log', label: m.common.shell.log, icon: 'history', role: 'owner' },
    { path: '/vaults', label: m.common.shell.vaults, icon: 'lock', role: 'owner' },
    { path: '/links', label: m.common.shell.links, icon: 'share', role: 'member' },
  ],
  [{ path: '/settings', label: m.common.shell.settings, icon: 'settings' }],
];

const may = (screen: Entry) => !screen.role || session.user?.role === 'owner' || (screen.role === 'member' && session.user?.role === 'member');

/** Those that the person may use. No group is empty. */
export function menu(): Entry[][] {
  return all()
    .map((group) => group.filter(may))
    .filter((group) => group.length > 0);
}

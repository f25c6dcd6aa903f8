/** The screens by their path. Each is loaded when it is first opened; the live pictures, which most people come for, are there from the start. */
import type { Component } from 'svelte';
import type { User } from './api/types';

type Role = User['role'];
type Load = () => Promise<{ default: Component }>;

const screens: Record<string, { load: Load; for?: Role[] }> = {
  '/timeline': { load: () => import('./timeline/Timeline.svelte') },
  '/events': { load: () => import('./events/Events.svelte') },
  '/safety': { load: () => import('./safety/Safety.svelte'), for: ['owner'] },
  '/health': { load: () => import('./health/Health.svelte') },
  '/storage': { load: () => import('./storage/Storage.svelte'), for: ['owner', 'member'] },
  '/more': { load: () => import('./More.svelte') },
  '/cameras': { load: () => import('./cameras/Cameras.svelte') },
  '/log': { load: () => import('./log/Log.svelte'), for: ['owner'] },
  '/people': { load: () => import('./people/People.svelte'), for: ['owner'] },
  '/vaults': { load: () => import('./vaults/Vaults.svelte'), for: ['owner'] },
  '/links': { load: () => import('./share/Links.svelte'), for: ['owner', 'member'] },
  '/account': { load: () => import('./people/Account.svelte') },
  '/settings': { load: () => import('./settings/Settings.svelte') },
};

/** The screen at a path, for somebody of that role; undefined where there is none. */
export function screenAt(path: string, role: Role | undefined): Load | undefined {
  const screen = Object.hasOwn(screens, path) ? screens[path] : undefined;
  return screen && (!screen.for || (role && screen.for.includes(role))) ? screen.load : undefined;
}

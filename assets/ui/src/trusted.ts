/**
 * The one Trusted Types policy of this app: scripts that may be started by URL are those of the build, on this origin.
 * (Svelte has a policy of its own, svelte-trusted-html, for the templates compiled into the app.)
 */
interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): { createScriptURL(url: string): unknown };
}

const factory = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;

const policy = factory?.createPolicy('cardea', {
  createScriptURL(url) {
    const full = new URL(url, location.origin);
    if (full.origin === location.origin && (full.pathname.startsWith('/assets/') || full.pathname === '/sw.js')) return full.href;
    throw new TypeError(`not a script of Cardea: ${url}`);
  },
});

export function scriptUrl(url: string): string {
  return (policy?.createScriptURL(url) ?? url) as string;
}

/** Tells the service worker which files the app was just made of, so that it opens without the box. */
export async function keepShell(): Promise<void> {
  const registration = await navigator.serviceWorker.ready;
  const loaded = performance
    .getEntriesByType('resource')
    .map((entry) => new URL(entry.name))
    .filter((url) => url.origin === location.origin && url.pathname.startsWith('/assets/'))
    .map((url) => url.pathname);
  const entry = document.querySelector<HTMLScriptElement>('script[type=module][src]');
  if (entry) registration.active?.postMessage([...new Set([new URL(entry.src).pathname, ...loaded])]);
}

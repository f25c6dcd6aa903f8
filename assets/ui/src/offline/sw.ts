/**
 * The service worker: it keeps the shell of the app, so that an installed Cardea opens and says what is wrong when the box
 * is out of reach. It keeps code and nothing else: no answer of the API, no picture, no key. Push comes here later.
 *
 * What belongs to the shell it learns from the page, which has just loaded it (`shell.ts`); other parts are kept when
 * they are first used. The page itself comes from the box whenever that answers, so a new version is never held back.
 */

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  request: Request;
  respondWith(response: Promise<Response>): void;
}
interface Said extends Extendable {
  data: unknown;
}
/** What a service worker has that a page has not; the compiler knows one world at a time. */
interface Scope {
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
  addEventListener(type: 'install' | 'activate', act: (event: Extendable) => void): void;
  addEventListener(type: 'fetch', act: (event: Fetching) => void): void;
  addEventListener(type: 'message', act: (event: Said) => void): void;
}
const scope = self as unknown as Scope;

const page = '/';
/** How long the box may take to answer before the kept page is shown. */
const patience = 4000;

scope.addEventListener('install', (event) => event.waitUntil(scope.skipWaiting()));
scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));

scope.addEventListener('message', (event) => {
  if (Array.isArray(event.data)) event.waitUntil(keep(event.data.filter((url) => typeof url === 'string')));
});

/** Keeps a version's shell. The first file is its entry, whose name holds the version; older versions go. */
async function keep(files: string[]): Promise<void> {
  const version = files[0];
  if (!version || !files.every(isCode)) return;
  const cache = await caches.open(version);
  const missing: string[] = [];
  for (const file of files) if (!(await cache.match(file))) missing.push(file);
  await cache.addAll([page, ...missing]);
  for (const name of await caches.keys()) if (name !== version) await caches.delete(name);
}

/** Whether a path is code of the app: a file named by its content. */
function isCode(path: string): boolean {
  return path.startsWith('/assets/');
}

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (request.mode === 'navigate') event.respondWith(navigate(request));
  else if (isCode(url.pathname)) event.respondWith(code(request));
});

/** The page from the box, or the kept one when it does not answer. */
async function navigate(request: Request): Promise<Response> {
  const waited = new AbortController();
  const timer = setTimeout(() => waited.abort(), patience);
  try {
    return await fetch(request, { signal: waited.signal });
  } catch (error) {
    const kept = await caches.match(page);
    if (kept) return kept;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** A file of the app, kept at its first use. */
async function code(request: Request): Promise<Response> {
  const kept = await caches.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  const [version] = await caches.keys();
  if (response.status === 200 && version) await (await caches.open(version)).put(request, response.clone());
  return response;
}

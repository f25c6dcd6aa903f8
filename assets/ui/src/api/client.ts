/**
 * The one way to the box. Every call ends in one of three ways: a value, aborted, or a problem document (RFC 9457) that
 * is shown to the person. Nothing is thrown.
 */

/** RFC 9457. `status` is 0 where the box was not reached. */
export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail: string;
  /** Seconds until another try makes sense, from Retry-After. */
  retryAfter?: number;
}

export type Outcome<T> = { ok: true; value: T; aborted?: undefined; problem?: undefined } | { ok: false; aborted: true; problem?: undefined } | { ok: false; aborted: false; problem: Problem };

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
type Query = Record<string, string | number | undefined>;

let onSignedOut: () => void = () => undefined;

/** Says what happens when the box no longer knows the session. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

const unreachable: Problem = {
  title: 'No connection',
  status: 0,
  detail: 'The box cannot be reached. Is it on, and are you on its network?',
};

/** Calls the API. `path` starts behind /api. */
export async function call<T>(method: Method, path: string, options: { query?: Query; body?: unknown; signal?: AbortSignal } = {}): Promise<Outcome<T>> {
  const url = new URL(`/api${path}`, location.origin);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const init: RequestInit = { method, headers: { Accept: 'application/json' }, credentials: 'same-origin', cache: 'no-store' };
  if (options.signal) init.signal = options.signal;
  if (options.body !== undefined) {
    init.body = JSON.stringify(options.body);
    init.headers = { Accept: 'application/json', 'Content-Type': 'application/json' };
  }
  try {
    const response = await fetch(url, init);
    const text = await response.text();
    if (response.ok) return { ok: true, value: (text ? JSON.parse(text) : undefined) as T };
    const problem = problemOf(response, text);
    if (problem.status === 401 && path !== '/session') onSignedOut();
    return { ok: false, aborted: false, problem };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return { ok: false, aborted: true };
    return { ok: false, aborted: false, problem: unreachable };
  }
}

function problemOf(response: Response, text: string): Problem {
  const problem: Problem = {
    title: 'Something went wrong',
    status: response.status,
    detail: `The box answered with status ${response.status}. Its log says more.`,
  };
  try {
    const body = JSON.parse(text) as Partial<Problem> & { errors?: { message?: string; location?: string }[] };
    if (body.title) problem.title = body.title;
    if (body.detail) problem.detail = body.detail;
    else if (body.title) problem.detail = body.title;
    const more = body.errors?.map((e) => e.message).filter(Boolean).join('; ');
    if (more && !problem.detail.includes(more)) problem.detail += ` (${more})`;
  } catch {
    // Not a problem document: a proxy's own page, for instance.
  }
  const retry = Number(response.headers.get('Retry-After'));
  if (retry > 0) problem.retryAfter = retry;
  return problem;
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal) => call<T>('GET', path, { query, signal });
export const post = <T>(path: string, body: unknown, signal?: AbortSignal) => call<T>('POST', path, { body, signal });
export const patch = <T>(path: string, body: unknown) => call<T>('PATCH', path, { body });
export const remove = <T = void>(path: string, query?: Query) => call<T>('DELETE', path, { query });

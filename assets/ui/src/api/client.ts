/**
 * The one way to the box. Every call ends in one of three ways: a value, aborted, or a problem document (RFC 9457) that
 * is shown to the person. Nothing is thrown. Paths, parameters, bodies and answers are those of the box's OpenAPI
 * document, from which schema.ts is made.
 */
import { language, lookUp, m } from '../i18n/m';
import { inWords } from '../i18n/said';
import { patient } from './patient';
import type { paths } from './schema';

/** RFC 9457. `status` is 0 where the box was not reached. */
export interface Problem {
  type?: string;
  title: string;
  status: number;
  /** What is wrong and what to do, in the language of the person. */
  detail: string;
  /** Which sentence of the box the detail is, and the values in it. */
  code?: string;
  params?: Record<string, unknown>;
  /** Seconds until another try makes sense, from Retry-After. */
  retryAfter?: number;
  /** The key that a camera showed and that a person has to confirm: SHA-256 of its SPKI in hex. */
  fingerprint?: string;
}

export type Outcome<T> = { ok: true; value: T; aborted?: undefined; problem?: undefined } | { ok: false; aborted: true; problem?: undefined } | { ok: false; aborted: false; problem: Problem };

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** The paths that know a method. */
type PathOf<M extends Method> = { [P in keyof paths]: NonNullable<paths[P][M]> extends { responses: unknown } ? P : never }[keyof paths];

type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;

type Json<R> = R extends { content: { 'application/json': infer T } } ? NonNullable<T> : undefined;

/** What a call gives when it succeeds. */
type Value<Op> = Op extends { responses: infer R }
  ? R extends { 200: infer Ok }
    ? Json<Ok>
    : R extends { 201: infer Created }
      ? Json<Created>
      : undefined
  : never;

type Member<T, K extends string> = T extends { [X in K]?: infer V } ? NonNullable<V> : never;
/** A property that must be there where its type demands something. */
type Needed<K extends string, T> = [T] extends [never] ? { [X in K]?: undefined } : object extends T ? { [X in K]?: T } : { [X in K]: T };

/** Parameters of a call. */
type Options<Op> = { signal?: AbortSignal } & Needed<'path', Member<Member<Op, 'parameters'>, 'path'>> &
  Needed<'query', Member<Member<Op, 'parameters'>, 'query'>> &
  Needed<'body', Op extends { requestBody?: { content: { 'application/json': infer B } } } ? B : never>;

type Arguments<Op> = object extends Options<Op> ? [options?: Options<Op>] : [options: Options<Op>];

interface Loose {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: unknown;
  signal?: AbortSignal;
}

let onSignedOut: () => void = () => undefined;

/** Says what happens when the box no longer knows the session. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

let stepUp: () => Promise<boolean> = async () => false;

/** Says how a person proves once more who they are. The call that needs it is repeated when that gives true. */
export function whenStepUp(act: () => Promise<boolean>): void {
  stepUp = act;
}

const unreachable = (): Problem => ({ ...m.common.noConnection, status: 0 });

async function call<T>(method: Method, template: string, options: Loose = {}, again = true): Promise<Outcome<T>> {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(options.path?.[name])));
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const init: RequestInit = { method: method.toUpperCase(), headers: { Accept: 'application/json' }, credentials: 'same-origin', cache: 'no-store' };
  if (options.signal) init.signal = options.signal;
  if (options.body !== undefined) {
    init.body = JSON.stringify(options.body);
    init.headers = { Accept: 'application/json', 'Content-Type': 'application/json' };
  }
  try {
    const response = await (method === 'get' ? patient(url, init) : fetch(url, init));
    const text = await response.text();
    // An empty list may come as null.
    if (response.ok) return { ok: true, value: (text ? (JSON.parse(text) ?? []) : undefined) as T };
    const problem = problemOf(response, text);
    if (problem.type === 'step-up-required' && again && (await stepUp())) return await call<T>(method, template, options, false);
    // A wrong proof is no end of the session.
    if (problem.status === 401 && path !== '/api/session' && !path.startsWith('/api/session/')) onSignedOut();
    return { ok: false, aborted: false, problem };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return { ok: false, aborted: true };
    return { ok: false, aborted: false, problem: unreachable() };
  }
}

/** A problem of the box in the language of the person, as far as it has the words. */
export function inLanguage(problem: Problem): Problem {
  if (language === 'en') return problem;
  return { ...problem, title: lookUp<string>(m.common.titles, problem.type ?? '') ?? m.common.wrong, detail: inWords(problem.detail, problem) };
}

function problemOf(response: Response, text: string): Problem {
  const problem: Problem = {
    title: m.common.wrong,
    status: response.status,
    detail: m.common.status(response.status),
  };
  try {
    const body = JSON.parse(text) as Partial<Problem> & { errors?: { message?: string; location?: string }[] };
    if (body.type) problem.type = body.type;
    if (body.code) problem.code = body.code;
    if (body.params) problem.params = body.params;
    if (body.title) problem.title = body.title;
    if (body.detail) problem.detail = body.detail;
    else if (body.title) problem.detail = body.title;
    const print = body.errors?.find((e) => e.location === 'body.fingerprint')?.message;
    if (print && /^[0-9a-f]{64}$/.test(print)) problem.fingerprint = print;
    const more = body.errors?.filter((e) => e.location !== 'approval' && e.location !== 'body.fingerprint').map((e) => e.message).filter(Boolean).join('; ');
    if (more && !problem.detail.includes(more)) problem.detail += ` (${more})`;
    Object.assign(problem, inLanguage(problem));
  } catch {
    // Not a problem document: a proxy's own page, for instance.
  }
  const retry = Number(response.headers.get('Retry-After'));
  if (retry > 0) problem.retryAfter = retry;
  return problem;
}

export function get<P extends PathOf<'get'>>(path: P, ...[options]: Arguments<Operation<P, 'get'>>): Promise<Outcome<Value<Operation<P, 'get'>>>> {
  return call('get', path, options as Loose | undefined);
}

export function post<P extends PathOf<'post'>>(path: P, ...[options]: Arguments<Operation<P, 'post'>>): Promise<Outcome<Value<Operation<P, 'post'>>>> {
  return call('post', path, options as Loose | undefined);
}

export function put<P extends PathOf<'put'>>(path: P, ...[options]: Arguments<Operation<P, 'put'>>): Promise<Outcome<Value<Operation<P, 'put'>>>> {
  return call('put', path, options as Loose | undefined);
}

export function patch<P extends PathOf<'patch'>>(path: P, ...[options]: Arguments<Operation<P, 'patch'>>): Promise<Outcome<Value<Operation<P, 'patch'>>>> {
  return call('patch', path, options as Loose | undefined);
}

export function remove<P extends PathOf<'delete'>>(path: P, ...[options]: Arguments<Operation<P, 'delete'>>): Promise<Outcome<Value<Operation<P, 'delete'>>>> {
  return call('delete', path, options as Loose | undefined);
}

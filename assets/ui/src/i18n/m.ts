/**
 * The messages in the language of the person: `m.live.frozen`, `m.people.invited(name)`. A language is one module, so that
 * a browser loads one of them; main.ts does so before it loads the app. A change of language loads the page anew.
 */
import type { Messages } from './en';

export const languages = { en: 'English', de: 'Deutsch', fr: 'Français', es: 'Español' } as const;
export type Language = keyof typeof languages;

const loaders: Record<Language, () => Promise<{ messages: Messages }>> = {
  en: () => import('./en'),
  de: () => import('./de'),
  fr: () => import('./fr'),
  es: () => import('./es'),
};

/** All texts. Not there before `load` has ended. */
export let m: Messages;
/** The language of `m`. */
export let language: Language = 'en';
/** The same with the region of the browser, for dates and numbers (BCP 47). */
export let locale = 'en';

const name = 'cardea.language';

const isLanguage = (tag: string | null | undefined): tag is Language => tag !== null && tag !== undefined && Object.hasOwn(languages, tag);

/** What a person chose here, or else the first of the browser's languages that there is. */
export function pick(kept: string | null, wanted: readonly string[]): { language: Language; locale: string } {
  const base = (tag: string) => tag.split('-')[0]?.toLowerCase();
  if (isLanguage(kept)) return { language: kept, locale: wanted.find((tag) => base(tag) === kept) ?? kept };
  for (const tag of wanted) {
    const short = base(tag);
    if (isLanguage(short)) return { language: short, locale: tag };
  }
  return { language: 'en', locale: 'en' };
}

/** Loads the language of the person. */
export async function load(): Promise<void> {
  const picked = pick(localStorage.getItem(name), navigator.languages);
  await use(picked.language, picked.locale);
  document.documentElement.lang = language;
}

/** Loads a certain one; for tests. */
export async function use(to: Language, as: string = to): Promise<void> {
  m = (await loaders[to]()).messages;
  language = to;
  locale = as;
}

/** The language that was chosen here; undefined where it follows the browser. */
export function chosen(): Language | undefined {
  const kept = localStorage.getItem(name);
  return isLanguage(kept) ? kept : undefined;
}

let prepare: () => void = () => undefined;

/** Says what is to be done before the page is loaded anew in another language. */
export function beforeReload(act: () => void): void {
  prepare = act;
}

/** Chooses a language, or to follow the browser, and loads the page in it. */
export function choose(to: Language | undefined): void {
  if (to) localStorage.setItem(name, to);
  else localStorage.removeItem(name);
  prepare();
  location.reload();
}

/** A message by a code of the API; undefined where the code is not known here. */
export function lookUp<T>(of: Record<string, T>, code: string): T | undefined {
  return Object.hasOwn(of, code) ? of[code] : undefined;
}

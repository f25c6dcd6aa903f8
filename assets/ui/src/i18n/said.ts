/** Sentences of the box in the language of the person. */
import { duration, moment } from '../controls/format';
import { language, locale, lookUp, m } from './m';

/** A sentence as a code and the values in it, as the API tells it beside its English text. */
export interface Said {
  code?: string;
  params?: Record<string, unknown>;
}

const isSaid = (value: unknown): value is Said => typeof value === 'object' && value !== null && 'code' in value;

/** Go writes a duration as 1h2m3.5s. */
const goDuration = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/;
const goTime = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z| UTC)$/;

/** A value as a person writes it: times, durations and fractions. */
function written(value: string): string {
  if (/^\d+\.\d+$/.test(value)) return new Intl.NumberFormat(locale).format(Number(value));
  if (goTime.test(value)) return moment(value.replace(' UTC', 'Z').replace(' ', 'T'));
  const [, hours, minutes, seconds] = (value && goDuration.exec(value)) || [];
  if (hours || minutes || seconds) return duration(Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0));
  return value;
}

function translated(said: Said): string | undefined {
  const sentence = lookUp(m.said, said.code ?? '');
  if (sentence === undefined) return undefined;
  let complete = true;
  const text = sentence.replace(/\{([a-z-]+)\}/g, (_, name: string) => {
    const value = said.params?.[name];
    if (!isSaid(value)) return written(String(value ?? ''));
    const inner = translated(value);
    if (inner === undefined) complete = false;
    return inner ?? '';
  });
  return complete ? text : undefined;
}

/** The sentence of the box in the language of the person; its own words where it has no translation, and in English. */
export function inWords(text: string, said: Said | null | undefined): string {
  return (language !== 'en' && said && translated(said)) || text;
}

/** What went wrong, for a person: our own errors carry words of the messages, those of the browser are English and have a name. */
export function faultText(error: unknown): string {
  if (error instanceof Error && !(error instanceof DOMException) && !/^(Type|Range|Syntax|Reference)Error$/.test(error.name)) return error.message;
  return `${m.common.wrong} (${error instanceof Error ? error.name : String(error)})`;
}

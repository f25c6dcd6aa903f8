/** Words that follow a number. Each language has its own rules, by the CLDR as browsers know it. */
import type { Language } from './m';

type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** Gives the form for n: `plural('de', n, { one: 'Kamera', other: 'Kameras' })`. */
export function plural(language: Language, n: number, forms: Forms): string {
  return forms[new Intl.PluralRules(language).select(n)] ?? forms.other;
}

/** How hard a password is to guess, roughly and on the safe side. The box checks for itself. */

import { m } from '../i18n/m';

export interface Strength {
  /** 0 too weak, 1 weak, 2 good, 3 strong. */
  level: 0 | 1 | 2 | 3;
  advice: string;
}

export const shortest = 12;

const common = /pass ?w(or|0r)d|qwert|asdf|letmein|welcome|admin|iloveyou|camera|cardea|abc123|hunter2|monkey|dragon|football/i;

export function strength(password: string, name = ''): Strength {
  const length = [...password].length;
  if (length < shortest) {
    const missing = shortest - length;
    return { level: 0, advice: length === 0 ? m.claim.atLeast(shortest) : m.claim.missing(missing) };
  }
  const lower = password.toLowerCase();
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/].filter((k) => k.test(password)).length;
  const distinct = new Set(lower).size;
  let bits = length * Math.log2(kinds === 1 ? 20 : kinds === 2 ? 30 : 45) * 0.62;
  if (distinct < 6) bits = Math.min(bits, 25);
  if (/^(.{1,6})\1+$/.test(lower)) bits = Math.min(bits, 22);
  if (isRun(lower)) bits = Math.min(bits, 20);
  const known = common.exec(lower);
  if (known) bits -= known[0].length * 4;
  const own = name.trim().toLowerCase();
  if (own.length > 2 && lower.includes(own)) bits -= own.length * 4;
  if (bits < 34) return { level: 0, advice: m.claim.tooEasy };
  if (bits < 46) return { level: 1, advice: m.claim.fair };
  if (bits < 66) return { level: 2, advice: m.claim.good };
  return { level: 3, advice: m.claim.strong };
}

/** Whether it is mostly a row of neighbours, such as 12345678 or abcdefgh. */
function isRun(text: string): boolean {
  let neighbours = 0;
  for (let i = 1; i < text.length; i++) if (Math.abs(text.charCodeAt(i) - text.charCodeAt(i - 1)) <= 1) neighbours++;
  return neighbours >= text.length * 0.7;
}

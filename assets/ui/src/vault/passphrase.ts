/**
 * A passphrase to suggest: five words of five letters that can be said and typed on a phone, 16 bits each, 80 in all.
 * The words are proquints (arXiv:0901.4016): consonants and vowels in turn.
 */
const consonants = 'bdfghjklmnprstvz';
const vowels = 'aiou';

export function suggestPassphrase(words = 5): string {
  const random = crypto.getRandomValues(new Uint16Array(words));
  return Array.from(random, proquint).join('-');
}

export function proquint(n: number): string {
  const c = (shift: number) => consonants.charAt((n >> shift) & 15);
  const v = (shift: number) => vowels.charAt((n >> shift) & 3);
  return c(12) + v(10) + c(6) + v(4) + c(0);
}

import { expect, test } from 'vitest';
import { strength } from './strength';

test.each(['', 'short', 'elevenchars', 'aaaaaaaaaaaa', 'abcabcabcabc', '123456789012', 'password1234', 'margaret-1990'])('%j is refused', (password) => {
  expect(strength(password, 'margaret').level).toBe(0);
});

test.each(['tall green lamp', 'correct horse battery', 'xK9!mvPq2#Lw', 'Sommer im Garten 42'])('%j is accepted', (password) => {
  expect(strength(password, 'margaret').level).toBeGreaterThan(0);
});

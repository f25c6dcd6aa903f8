import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { fingerprintOf } from './fingerprint';

test('a fingerprint is the start of SHA-256 in fours', () => {
  const whole = createHash('sha256').update('age1pq1example').digest('hex');
  expect(fingerprintOf('age1pq1example').replaceAll(' ', '')).toBe(whole.slice(0, 32));
  expect(fingerprintOf('age1pq1example').split(' ')).toHaveLength(8);
});

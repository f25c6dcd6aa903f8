import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fromBase64, toBase64 } from '../vault/base64';
import { consistent, fingerprint, includes, judge, parseKey, signed, type Checkpoint } from './witness';

// Made by golang.org/x/mod/sumdb/tlog and note.
const made = JSON.parse(readFileSync(join(import.meta.dirname, 'testdata/tlog.json'), 'utf8')) as {
  leaves: string[];
  roots: string[];
  consistency: Record<string, string[]>;
  inclusion: Record<string, string[]>;
  vkey: string;
  checkpoint: string;
};
const root = (size: number) => fromBase64(made.roots[size - 1] ?? '');
const flip = (bytes: Uint8Array) => bytes.map((b, i) => (i === 5 ? b ^ 1 : b));
const all = Object.entries(made.consistency).map(([name, proof]) => {
  const [old, size] = name.split('-').map(Number) as [number, number];
  return { old, size, proof: proof.map(fromBase64) };
});

test('each proof of consistency of the Go library holds, and none holds for another log', () => {
  expect(all.length).toBeGreaterThan(200);
  for (const { old, size, proof } of all) {
    expect(consistent(old, root(old), size, root(size), proof), `${old} to ${size}`).toBe(true);
    expect(consistent(old, flip(root(old)), size, root(size), proof)).toBe(false);
    expect(consistent(old, root(old), size, flip(root(size)), proof)).toBe(false);
    expect(consistent(old, root(old), size, root(size), [...proof, root(1)])).toBe(false);
    if (proof.length > 0) {
      expect(consistent(old, root(old), size, root(size), proof.slice(1))).toBe(false);
      expect(consistent(old, root(old), size, root(size), [flip(proof[0] ?? new Uint8Array()), ...proof.slice(1)])).toBe(false);
    }
  }
});

test('each proof of inclusion of the Go library holds, and none for another record', () => {
  for (const [name, proof] of Object.entries(made.inclusion)) {
    const [seq, size] = name.split('-').map(Number) as [number, number];
    const leaf = fromBase64(made.leaves[seq] ?? '');
    const path = proof.map(fromBase64);
    expect(includes(seq, leaf, size, root(size), path), name).toBe(true);
    expect(includes(seq, flip(leaf), size, root(size), path)).toBe(false);
    if (size > 1) expect(includes(seq, leaf, size, root(size), path.slice(1))).toBe(false);
  }
});

const now: Checkpoint = { size: 21, root: made.roots[20] ?? '', checkpoint: made.checkpoint, vkey: made.vkey };

test('a signed note is checked, and must say what the box says', async () => {
  expect(await signed(now)).toBe(true);
  expect(await signed({ ...now, size: 20 })).toBe(false);
  expect(await signed({ ...now, root: made.roots[19] ?? '' })).toBe(false);
  const name = 'cardea.local/test/access';
  const body = made.checkpoint.split(`— ${name} `)[1] ?? '';
  const forged = fromBase64(body.trim());
  forged[20] = (forged[20] ?? 0) ^ 1;
  expect(await signed({ ...now, checkpoint: made.checkpoint.replace(body.trim(), toBase64(forged)) })).toBe(false);
  expect(await signed({ ...now, checkpoint: 'nothing' })).toBe(false);
  expect(fingerprint(made.vkey)).toMatch(/^([0-9a-f]{4} ){7}[0-9a-f]{4}$/);
  expect(parseKey(made.vkey.replace('access', 'excess'))).toBeUndefined();
});

test('a verdict on what was remembered', async () => {
  const asked: number[][] = [];
  const prove = async (old: number, size: number) => {
    asked.push([old, size]);
    return made.consistency[`${old}-${size}`] ?? [];
  };
  const known = (size: number): Checkpoint => ({ ...now, size, root: made.roots[size - 1] ?? '' });
  expect(await judge(undefined, now, prove)).toBeUndefined();
  expect(await judge(known(21), now, prove)).toBeUndefined();
  expect(asked).toEqual([]);
  expect(await judge(known(7), now, prove)).toBeUndefined();
  expect(asked).toEqual([[7, 21]]);
  expect(await judge({ ...known(7), root: made.roots[5] ?? '' }, now, prove)).toBe('fork');
  expect(await judge({ ...known(21), root: made.roots[5] ?? '' }, now, prove)).toBe('fork');
  expect(await judge(known(7), now, async () => ['?'])).toBe('fork');
  expect(await judge({ ...known(21), size: 22 }, now, prove)).toBe('rollback');
  expect(await judge({ ...known(7), vkey: `${made.vkey}x` }, now, prove)).toBe('key');
  expect(await judge(undefined, { ...now, size: 3 }, prove)).toBe('signature');
});

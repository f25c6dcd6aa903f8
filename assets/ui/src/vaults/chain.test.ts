import { expect, test } from 'vitest';
import type { PersonalKey, Vault } from '../api/types';
import { lacks, older, waitingFor } from './chain';

const vault = (id: string, successor: string | null, ...holders: string[]) => ({ id, successor, retired: successor && '2026-01-01T00:00:00Z', holders: holders.map((user) => ({ user, name: user, grants: [] })) }) as unknown as Vault;
const other = vault('c', null, 'ada');
const now = vault('d', null, 'ada', 'bob');
const vaults = [vault('a', 'b', 'ada'), vault('b', 'd', 'ada', 'bob'), other, now];
const person = (user: string) => ({ user, name: user }) as PersonalKey;

test('the keys before a vault are found, the latest first', () => {
  expect(older(vaults, now).map((v) => v.id)).toEqual(['b', 'a']);
  expect(older(vaults, other)).toEqual([]);
});

test('a circle in what the box says ends', () => {
  expect(older([vault('a', 'b'), vault('b', 'a')], vault('b', 'a')).length).toBeLessThan(3);
});

test('it is told who waits, and who lacks older recordings', () => {
  expect(waitingFor([person('ada'), person('eve')], vaults).map((p) => p.user)).toEqual(['eve']);
  expect(lacks(older(vaults, now), 'bob').map((v) => v.id)).toEqual(['a']);
  expect(lacks(older(vaults, now), 'ada')).toEqual([]);
});

import { expect, test } from 'vitest';
import type { Candidate } from '../api/types';
import { foundAddress, foundName, foundOpen, foundTrust, scannedHost } from './found';

const seen = '2026-05-01T10:00:00Z';
const bare: Candidate = {
  id: 'x', name: '', model: '', address: '192.168.1.20', addresses: ['192.168.1.20'], url: null as unknown as string, urls: [], onvif: null as unknown as string,
  pair: null as unknown as string, device: null as unknown as string, paired: false, via: ['scan'], trust: 'plain', doubt: null as unknown as string, first_seen: seen, last_seen: seen,
};

test('the encrypted stream goes before ONVIF, and that before a stream in the clear', () => {
  const onvif = 'http://192.168.1.20/onvif/device_service';
  expect(foundAddress({ ...bare, urls: ['rtsp://192.168.1.20/', 'rtsps://192.168.1.20/'], url: 'rtsp://192.168.1.20/', onvif })).toBe('rtsps://192.168.1.20/');
  expect(foundAddress({ ...bare, urls: ['rtsp://192.168.1.20/'], url: 'rtsp://192.168.1.20/', onvif })).toBe(onvif);
  expect(foundAddress({ ...bare, urls: ['rtsp://192.168.1.20/'], url: 'rtsp://192.168.1.20/' })).toBe('rtsp://192.168.1.20/');
  expect(foundAddress(bare)).toBe('192.168.1.20');
});

test('trust is told for what the device can do', () => {
  expect(foundTrust({ ...bare, pair: '192.168.1.20:8322', trust: 'paired' })).toMatchObject({ text: 'Can be paired', tone: 'good' });
  expect(foundTrust({ ...bare, pair: '192.168.1.20:8322', trust: 'paired', paired: true }).tone).toBe('warn');
  expect(foundTrust({ ...bare, trust: 'pinned' }).tone).toBe('info');
  expect(foundTrust(bare).text).toBe('Not encrypted');
  expect(foundName({ ...bare, model: 'M1' })).toBe('M1');
});

test('only a stream in the clear is looked at before anybody decided', () => {
  const url = 'rtsp://192.168.1.20/';
  expect(foundOpen({ ...bare, url, urls: [url] })).toBe(url);
  expect(foundOpen({ ...bare, url, urls: [url, 'rtsps://192.168.1.20/'], trust: 'pinned' })).toBeUndefined();
  expect(foundOpen({ ...bare, url, urls: [url], pair: '192.168.1.20:8322' })).toBeUndefined();
  expect(foundOpen(bare)).toBeUndefined();
});

test.each([
  ['cardea-pair://192.168.1.20:8322/ABCDEFGHIJKLMNOPQRSTUVWXYZ', '192.168.1.20:8322'],
  ['cardea-pair://[fd00::1]:8322/ABCDEFGHIJKLMNOPQRSTUVWXYZ', '[fd00::1]:8322'],
  ['https://example.org/ABC', undefined],
  ['cardea-pair://user@host/ABC', undefined],
  ['cardea-pair://host/', undefined],
])('%s is read as %s', (text, host) => {
  expect(scannedHost(text)).toBe(host);
});

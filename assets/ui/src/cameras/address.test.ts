import { expect, test } from 'vitest';
import { addressWith, nameFrom, tracksText } from './address';

test.each([
  ['192.168.1.20/stream', '', '', 'rtsp://192.168.1.20/stream'],
  [' RTSPS://cam.local:322/a?b=c ', '', '', 'rtsps://cam.local:322/a?b=c'],
  ['rtsp://u:p@10.0.0.1/x', '', '', 'rtsp://u:p@10.0.0.1/x'],
  ['rtsp://u:p@10.0.0.1/x', 'admin', 'a/b@c', 'rtsp://admin:a%2Fb%40c@10.0.0.1/x'],
  ['rtsp://[fd00::1]:554/x', 'a', '', 'rtsp://a:@[fd00::1]:554/x'],
])('%j becomes %j', (address, user, password, want) => {
  expect(addressWith(address, user, password)).toBe(want);
});

test.each(['http://10.0.0.1/', '', 'rtsp://', 'rtsp://a b/'])('%j is refused with a sentence', (address) => {
  expect(addressWith(address, '', '')).toMatchObject({ detail: expect.stringContaining('rtsp://') });
});

test.each([
  ['192.168.1.20', 'http://a:b@192.168.1.20'],
  ['https://10.0.0.1:8443/onvif/device_service', 'https://a:b@10.0.0.1:8443/onvif/device_service'],
  ['10.0.0.1/stream1', 'rtsp://a:b@10.0.0.1/stream1'],
])('where ONVIF is taken %j becomes %j', (address, want) => {
  expect(addressWith(address, 'a', 'b', 'any')).toBe(want);
});

test.each([
  ['192.168.1.20:8000', 'http://192.168.1.20:8000'],
  ['192.168.1.20/onvif/device_service', 'http://192.168.1.20/onvif/device_service'],
  ['HTTPS://10.0.0.1', 'https://10.0.0.1'],
])('as a service %j becomes %j', (address, want) => {
  expect(addressWith(address, '', '', 'service')).toBe(want);
});

test('a stream is no service', () => {
  expect(addressWith('rtsp://10.0.0.1/', '', '', 'service')).toMatchObject({ detail: expect.stringContaining('device_service') });
});

test('a name is taken from a telling path only', () => {
  expect(nameFrom('rtsp://h/front_door')).toBe('Front door');
  expect(nameFrom('rtsp://h/stream1')).toBe('');
  expect(nameFrom('rtsp://h')).toBe('');
});

test('tracks read like a sentence', () => {
  expect(tracksText([{ codec: 'h264', width: 1920, height: 1080, fps: 25 }, { codec: 'aac' }])).toBe('H.264 1920 × 1080, 25 pictures a second, AAC');
});

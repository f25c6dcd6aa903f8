import { expect, test } from 'vitest';
import { choose, overWebRTC, Strain, type Situation, type Way } from './quality';

const tile: Situation = { wish: 'auto', sub: true, subWidth: 640, large: false, width: 400, strained: false, plays: true, subCodec: 'h264' };

test('the wall has the small stream, the large picture the main one', () => {
  expect(choose(tile)).toBe('sub');
  expect(choose({ ...tile, large: true })).toBe('auto');
  expect(choose({ ...tile, width: 1800 })).toBe('auto');
  expect(choose({ ...tile, large: true, strained: true })).toBe('sub');
  expect(choose({ ...tile, wish: 'main' })).toBe('main');
  expect(choose({ ...tile, large: true, wish: 'sub' })).toBe('sub');
  expect(choose({ ...tile, wish: 'sub', sub: false })).toBe('main');
});

test('what the browser cannot show gives way to what it can', () => {
  const large = { ...tile, large: true, plays: false };
  expect(choose(large)).toBe('sub');
  expect(choose({ ...large, subCodec: '' })).toBe('sub');
  expect(choose({ ...large, subCodec: 'hevc' })).toBe('auto');
  expect(choose({ ...large, wish: 'main' })).toBe('main');
  expect(choose({ ...large, sub: false })).toBe('main');
});

const way: Way = { possible: true, pictures: 2, large: false, codec: 'h264', subCodec: '', quality: 'main', sound: '', hears: false };

test('WebRTC for what it can carry', () => {
  expect(overWebRTC(way)).toBe(true);
  expect(overWebRTC({ ...way, pictures: 9 })).toBe(false);
  expect(overWebRTC({ ...way, pictures: 9, large: true })).toBe(true);
  expect(overWebRTC({ ...way, possible: false })).toBe(false);
  expect(overWebRTC({ ...way, sound: 'aac' })).toBe(true);
  expect(overWebRTC({ ...way, sound: 'aac', hears: true })).toBe(false);
  expect(overWebRTC({ ...way, sound: 'pcm_alaw', hears: true })).toBe(true);
  expect(overWebRTC({ ...way, codec: 'hevc', subCodec: 'h264', quality: 'sub' })).toBe(false);
  expect(overWebRTC({ ...way, codec: '' })).toBe(false);
});

test('a strain lasts', () => {
  const s = new Strain();
  expect(s.take(100, 0)).toBe(false);
  expect(s.take(150, 20)).toBe(false);
  expect(s.take(200, 40)).toBe(false);
  expect(s.take(250, 60)).toBe(true);
  expect(s.take(300, 60)).toBe(false);
  expect(s.take(10, 0)).toBe(false); // a new connection
});

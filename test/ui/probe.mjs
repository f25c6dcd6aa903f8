// Asks the three browsers what they can do with what Cardea sends, and prints the table of docs/browsers.md: `node probe.mjs`.
import { browse, fetchUnchecked, Program, scratch, setUp, until } from './box.mjs';
import { Firefox, WebKit } from './engines.mjs';

/** Runs in the page. */
const ask = `
  const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;
  const plays = (type) => !!Source && Source.isTypeSupported(type);
  const direct = (kind, name) => !!globalThis.RTCRtpReceiver?.getCapabilities?.(kind)?.codecs.some((codec) => codec.mimeType === name);
  return JSON.stringify({
    'H.264': plays('video/mp4; codecs="avc1.64002a"'),
    'H.265': plays('video/mp4; codecs="hvc1.1.6.L93.B0"'),
    AAC: plays('audio/mp4; codecs="mp4a.40.2"'),
    Opus: plays('audio/mp4; codecs="opus"'),
    'FLAC (from G.711)': plays('audio/mp4; codecs="flac"'),
    'change of codec while playing': 'changeType' in (globalThis.SourceBuffer?.prototype ?? {}),
    WebRTC: 'RTCPeerConnection' in globalThis,
    'H.264 over WebRTC': direct('video', 'video/H264'),
    'H.265 over WebRTC': direct('video', 'video/H265'),
    'Opus and G.711 over WebRTC': direct('audio', 'audio/opus') && direct('audio', 'audio/PCMU'),
    WebCodecs: 'VideoDecoder' in globalThis,
    'service worker': 'serviceWorker' in navigator,
    passkeys: 'PublicKeyCredential' in globalThis,
    'Trusted Types': 'trustedTypes' in globalThis,
    'a file written while it is made': 'showSaveFilePicker' in globalThis,
  });`;

const ends = [];
const t = { after: (end) => ends.unshift(end) };
try {
  const dir = scratch(t, 'probe');
  setUp(dir, 'seven quiet lanterns 42', 'lusab-babad-gutih-tugad-mudof');
  const box = new Program('serve', '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  const origin = await box.says(/Address:\s+(https:\S+)/);
  await until('an answer', () => fetchUnchecked(`${origin}/healthz`).catch(() => undefined));
  const certificate = await fetchUnchecked(`${origin}/ca.pem`);
  const chromium = await browse(t, { certificate });
  await chromium.goto(origin);
  const columns = [['Chromium ' + chromium.context().browser().version(), JSON.parse(await chromium.evaluate(`(() => { ${ask} })()`))]];
  for (const Engine of [Firefox, WebKit]) {
    const page = await Engine.start(t, certificate);
    await page.open(origin);
    columns.push([page.version, JSON.parse(await page.run(ask))]);
  }
  console.log(`| | ${columns.map(([name]) => name).join(' | ')} |`);
  for (const what of Object.keys(columns[0][1])) console.log(`| ${what} | ${columns.map(([, can]) => (can[what] ? '✓' : '–')).join(' | ')} |`);
} finally {
  for (const end of ends) await end();
}

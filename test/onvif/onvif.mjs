// npm onvif as a foreign client: onvif.mjs DEVICE_SERVICE USER PASSWORD EVENTS(yes|no) prints the address of each stream, then what the
// camera does and notices. It asks for subscriptions by a duration only.
import onvif from 'onvif';

const [address, username, password, events] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(address);
const settings = { hostname, port: Number(port), path: pathname, username, password, timeout: 20000, preserveAddress: true, useWSSecurity: true };
const cam = new onvif.Cam({ ...settings, autoconnect: false });

/** What a method with a callback gives. */
const ask = (method, ...args) => new Promise((resolve, reject) => cam[method](...args, (err, value) => (err ? reject(err) : resolve(value))));

await ask('connect');
const { manufacturer, model } = await ask('getDeviceInformation');
if (!manufacturer || !model) throw new Error('no device information');
for (const profile of await ask('getProfiles')) {
  const token = profile.$.token;
  const { uri } = await ask('getStreamUri', { protocol: 'RTSP', profileToken: token });
  console.log(token, uri);
}

const profileToken = 'p_main';
const presets = await ask('getPresets', { profileToken });
console.log('presets', Object.keys(presets).join());
await ask('continuousMove', { profileToken, x: 0.5, y: 0, zoom: 0, timeout: 1000 });
await ask('stop', { profileToken, panTilt: true, zoom: true });
await ask('gotoPreset', { profileToken, preset: '1' });
await ask('gotoHomePosition', { profileToken });
await ask('setImagingSettings', { token: 'lens_1', brightness: 30 });
console.log('lens', (await ask('getImagingSettings', { token: 'lens_1' })).brightness);
console.log('snapshot', (await ask('getSnapshotUri', { profileToken })).uri);
if (events === 'yes') {
  await ask('createPullPointSubscription');
  const { notificationMessage } = await ask('pullMessages', { messageLimit: 5 });
  console.log('noticed', notificationMessage.topic._, JSON.stringify(notificationMessage.message.message.data.simpleItem.$));
  await ask('unsubscribe');
}

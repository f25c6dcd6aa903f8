// npm onvif as a foreign client: onvif.mjs DEVICE_SERVICE USER PASSWORD prints the address of each stream.
import onvif from 'onvif';

const [address, username, password] = process.argv.slice(2);
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

// npm onvif-nvt as a foreign client: onvif_nvt.mjs DEVICE_SERVICE USER PASSWORD prints the address of each stream, then what the
// camera does and notices. It knows no HTTP digest, and asks for subscriptions by a duration only.
import OnvifManager from 'onvif-nvt';

const [address, username, password, events] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(address);
const camera = await OnvifManager.connect(hostname, Number(port), username, password, pathname);
if (!camera.deviceInformation.Manufacturer) throw new Error('no device information');
for (const profile of camera.profileList) console.log(profile.$.token, profile.StreamUri.Uri);

camera.add('ptz');
console.log('presets', JSON.stringify((await camera.ptz.getPresets('p_main')).data.GetPresetsResponse.Preset));
await camera.ptz.continuousMove('p_main', { x: 0.5, y: 0, z: 0 }, 1);
await camera.ptz.stop('p_main', true, true);
await camera.ptz.gotoPreset('p_main', '1');
if (events === 'yes') {
  camera.add('events');
  const made = await camera.events.createPullPointSubscription();
  console.log('noticed', JSON.stringify(made.data.CreatePullPointSubscriptionResponse.SubscriptionReference));
}

// npm onvif-nvt as a foreign client: onvif_nvt.mjs DEVICE_SERVICE USER PASSWORD prints the address of each stream. It knows no
// HTTP digest.
import OnvifManager from 'onvif-nvt';

const [address, username, password] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(address);
const camera = await OnvifManager.connect(hostname, Number(port), username, password, pathname);
if (!camera.deviceInformation.Manufacturer) throw new Error('no device information');
for (const profile of camera.profileList) console.log(profile.$.token, profile.StreamUri.Uri);

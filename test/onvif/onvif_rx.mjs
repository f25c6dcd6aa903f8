// npm onvif-rx as a foreign client: onvif_rx.mjs DEVICE_SERVICE USER PASSWORD [RIGHT_CLOCK] prints the device's clock and services. It does
// not make up for a wrong clock, knows no HTTP digest, and fails without GetServices: it asks for what needs no account. At
// RIGHT_CLOCK, the service of a device whose clock is right, it signs in and prints what the camera does and notices.
import rx from 'onvif-rx';

const [deviceUrl, username, password, rightClock] = process.argv.slice(2);
let device = rx.createManagedDeviceInNode({ deviceUrl, username, password });

/** The document that a request gives. */
async function ask(request) {
  const result = await request.toPromise();
  return result.match({
    ok: (success) => success.json,
    fail: (failure) => {
      throw new Error(`${failure.status} ${failure.statusMessage}`);
    },
  });
}

console.log(JSON.stringify(await ask(device.api.Device.GetSystemDateAndTime())));
console.log(JSON.stringify(await ask(device.api.Device.GetServices(false))));
if (rightClock) {
  device = rx.createManagedDeviceInNode({ deviceUrl: rightClock, username, password });
  console.log(JSON.stringify(await ask(device.api.PTZ.GetPresets('p_main'))));
  console.log(JSON.stringify(await ask(device.api.Event.CreatePullPointSubscription())));
}

// npm onvif as a foreign client of WS-Discovery: prints the addresses of the devices that answer.
import onvif from 'onvif';
onvif.Discovery.probe({ timeout: 2000, resolve: false }, (err, found) => {
  if (err) console.log(String(err));
  console.log(JSON.stringify(found?.map((d) => d.probeMatches?.probeMatch?.XAddrs ?? d)));
  process.exit(0);
});

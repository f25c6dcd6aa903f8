// Nothing yet but a sign of trust: a browser runs a service worker only where it trusts the certificate of the box.
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

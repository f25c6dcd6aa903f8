/**
 * Whether this browser trusts the box's certificate. No API says so; but a browser starts a service worker only where
 * it does, while a page that was opened past a warning still loads.
 */
import { keepShell } from '../offline/shell';
import { scriptUrl } from '../trusted';

class Certificate {
  /** Undefined while it is not known. */
  trusted = $state<boolean>();
}

export const certificate = new Certificate();

export function watchCertificate(tries = 5): void {
  if (!isSecureContext || !('serviceWorker' in navigator)) {
    certificate.trusted = isSecureContext ? undefined : false;
    return;
  }
  navigator.serviceWorker.register(scriptUrl('/sw.js')).then(
    () => {
      certificate.trusted = true;
      void keepShell();
    },
    (error: unknown) => {
      const refused = error instanceof DOMException && error.name === 'SecurityError';
      // Settings of the browser refuse too ("denied"); only a certificate is worth a notice.
      if (refused) certificate.trusted = /denied/i.test(error.message) ? undefined : false;
      // Anything else says nothing of certificates: the box may have been busy.
      else if (tries > 1) setTimeout(() => watchCertificate(tries - 1), 3000);
    },
  );
}

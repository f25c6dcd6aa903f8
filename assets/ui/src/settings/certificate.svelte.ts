/**
 * Whether this browser trusts the box's certificate. No API says so; but a browser starts a service worker only where
 * it does, while a page that was opened past a warning still loads.
 */
import { scriptUrl } from '../trusted';

class Certificate {
  /** Undefined while it is not known. */
  trusted = $state<boolean>();
}

export const certificate = new Certificate();

export function watchCertificate(): void {
  if (!isSecureContext || !('serviceWorker' in navigator)) {
    certificate.trusted = isSecureContext ? undefined : false;
    return;
  }
  navigator.serviceWorker.register(scriptUrl('/sw.js')).then(
    () => (certificate.trusted = true),
    (error: unknown) => {
      // Private windows and policies refuse too, in other words; only a certificate is worth a notice.
      certificate.trusted = error instanceof DOMException && error.name === 'SecurityError' && /certificate/i.test(error.message) ? false : undefined;
    },
  );
}

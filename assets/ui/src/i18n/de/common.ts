import type en from '../en/common';
import { plural } from '../plural';

export default {
  loading: 'Wird geladen',
  unreachable: 'Die Cardea-Box antwortet nicht',
  tryAgain: 'Noch einmal versuchen',
  missing: { title: 'Hier ist nichts', before: 'Die Adresse', after: 'führt zu keiner Seite.', go: 'Zu den Kameras' },
  step: (at: number, of: number) => `Schritt ${at} von ${of}`,
  close: 'Schließen',
  cancel: 'Abbrechen',
  save: 'Speichern',
  back: 'Zurück',
  dismiss: 'Ausblenden',
  copy: 'Kopieren',
  copied: 'Kopiert',
  copyRefused: 'Dieser Browser hat das Kopieren nicht erlaubt. Markiere den Text stattdessen.',
  show: 'Anzeigen',
  hide: 'Verbergen',
  days: (n: number) => `${n} ${plural('de', n, { one: 'Tag', other: 'Tage' })}`,
  noConnection: { title: 'Keine Verbindung', detail: 'Die Cardea-Box ist nicht erreichbar. Ist sie an, und bist du in ihrem Netz?' },
  wrong: 'Etwas ist schiefgegangen',
  status: (code: number) => `Die Cardea-Box hat mit Status ${code} geantwortet. Ihr Protokoll sagt mehr.`,
} satisfies typeof en;

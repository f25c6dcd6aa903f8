import type en from '../en/exports';
import { plural } from '../plural';

const videos = (n: number) => plural('de', n, { one: 'Ein Video', other: `${n} Videos` });

export default {
  title: 'Als Video speichern',
  done: 'Das Video ist gespeichert',
  saved: (files: number, size: string) => `${videos(files)}, ${size}.`,
  plain: 'Es ist nicht mehr verschlüsselt: Wer die Datei hat, kann sie ansehen. Dass sie gespeichert wurde, steht im Protokoll.',
  locked: 'Entsperre zuerst den Tresor: Die Aufnahmen werden in deinem Browser geöffnet.',
  saving: 'Wird geöffnet und gespeichert …',
  progress: (done: string, all: string, percent: number) => `${done} von etwa ${all}, ${percent} %`,
  fromTo: (from: string, to: string) => `${from} bis ${to}`,
  cameras: 'Welche Kameras',
  note: 'Notiz für das Protokoll',
  noteHint: 'Wofür es ist',
  looking: 'Es wird nachgesehen, was da ist',
  nothing: 'Zwischen den Markierungen wurde nichts aufgenommen.',
  plan: (files: number, time: string, size: string) => `${videos(files)}, ${time}, etwa ${size}.`,
  keyFrames: 'Es beginnt bis zu ein paar Sekunden früher, bei einem Bild, das für sich steht; Bild und Ton bleiben, wie die Kamera sie sandte.',
  several: 'Eine Kamera hat ihren Stream zwischendurch geändert, das ergibt eine eigene Datei.',
  tooLarge: {
    title: 'Zu viel für diesen Browser',
    detail: (most: string) => `Dieser Browser kann nicht während der Arbeit auf die Platte schreiben und fasst etwa ${most} im Speicher. Markiere weniger, oder nimm Chrome oder Edge auf einem Computer.`,
  },
  memory: (most: string) => `Dieser Browser macht die Datei in seinem Speicher; mehr als ${most} geht nicht.`,
  save: 'Speichern',
} satisfies typeof en;

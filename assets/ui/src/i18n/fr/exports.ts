import type en from '../en/exports';
import { plural } from '../plural';

const videos = (n: number) => plural('fr', n, { one: 'Une vidéo', other: `${n} vidéos` });

export default {
  title: 'Enregistrer en vidéo',
  done: 'La vidéo est enregistrée',
  saved: (files: number, size: string) => `${videos(files)}, ${size}.`,
  plain: 'Elle n’est plus chiffrée : quiconque a le fichier peut la regarder. Le journal dit qu’elle a été enregistrée.',
  locked: 'Déverrouillez d’abord le coffre : les enregistrements sont ouverts dans votre navigateur.',
  saving: 'Ouverture et enregistrement …',
  progress: (done: string, all: string, percent: number) => `${done} sur environ ${all}, ${percent} %`,
  fromTo: (from: string, to: string) => `de ${from} à ${to}`,
  cameras: 'Quelles caméras',
  note: 'Note pour le journal',
  noteHint: 'À quoi elle sert',
  looking: 'Recherche de ce qui existe',
  nothing: 'Rien n’a été enregistré entre les marques.',
  plan: (files: number, time: string, size: string) => `${videos(files)}, ${time}, environ ${size}.`,
  keyFrames: 'Elle commence jusqu’à quelques secondes plus tôt, à une image complète ; image et son restent tels que la caméra les a envoyés.',
  several: 'Une caméra a changé de flux entre-temps, ce qui donne un fichier à part.',
  tooLarge: {
    title: 'Trop pour ce navigateur',
    detail: (most: string) => `Ce navigateur ne peut pas écrire sur le disque pendant le travail et garde environ ${most} en mémoire. Marquez moins, ou utilisez Chrome ou Edge sur un ordinateur.`,
  },
  memory: (most: string) => `Ce navigateur crée le fichier en mémoire, ${most} au plus.`,
  save: 'Enregistrer',
} satisfies typeof en;

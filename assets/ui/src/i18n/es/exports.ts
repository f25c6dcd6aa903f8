import type en from '../en/exports';
import { plural } from '../plural';

const videos = (n: number) => plural('es', n, { one: 'Un vídeo', other: `${n} vídeos` });

export default {
  title: 'Guardar como vídeo',
  done: 'El vídeo está guardado',
  saved: (files: number, size: string) => `${videos(files)}, ${size}.`,
  plain: 'Ya no está cifrado: quien tenga el archivo puede verlo. Que se guardó consta en el registro.',
  locked: 'Desbloquea primero la bóveda: las grabaciones se abren en tu navegador.',
  saving: 'Abriendo y guardando …',
  progress: (done: string, all: string, percent: number) => `${done} de unos ${all}, ${percent} %`,
  fromTo: (from: string, to: string) => `de ${from} a ${to}`,
  cameras: 'Qué cámaras',
  note: 'Nota para el registro',
  noteHint: 'Para qué es',
  looking: 'Mirando qué hay',
  nothing: 'No se grabó nada entre las marcas.',
  plan: (files: number, time: string, size: string) => `${videos(files)}, ${time}, unos ${size}.`,
  keyFrames: 'Empieza hasta unos segundos antes, en una imagen completa; imagen y sonido quedan como los envió la cámara.',
  several: 'Una cámara cambió su flujo entretanto, lo que da un archivo aparte.',
  tooLarge: {
    title: 'Demasiado para este navegador',
    detail: (most: string) => `Este navegador no puede escribir en el disco mientras trabaja y guarda unos ${most} en memoria. Marca menos, o usa Chrome o Edge en un ordenador.`,
  },
  memory: (most: string) => `Este navegador hace el archivo en su memoria; ${most} es lo máximo.`,
  save: 'Guardar',
} satisfies typeof en;

import type en from '../en/common';
import { plural } from '../plural';

export default {
  loading: 'Cargando',
  unreachable: 'La caja no responde',
  tryAgain: 'Intentar de nuevo',
  missing: { title: 'Aquí no hay nada', before: 'La dirección', after: 'no lleva a ninguna pantalla.', go: 'Ir a las cámaras' },
  step: (at: number, of: number) => `Paso ${at} de ${of}`,
  close: 'Cerrar',
  cancel: 'Cancelar',
  save: 'Guardar',
  back: 'Atrás',
  dismiss: 'Descartar',
  copy: 'Copiar',
  copied: 'Copiado',
  copyRefused: 'Este navegador no permitió copiar. Selecciona el texto en su lugar.',
  show: 'Mostrar',
  hide: 'Ocultar',
  days: (n: number) => `${n} ${plural('es', n, { one: 'día', other: 'días' })}`,
  noConnection: { title: 'Sin conexión', detail: 'No se puede llegar a la caja. ¿Está encendida y estás en su red?' },
  wrong: 'Algo salió mal',
  status: (code: number) => `La caja respondió con el estado ${code}. Su registro dice más.`,
} satisfies typeof en;

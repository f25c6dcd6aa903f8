import type en from '../en/signin';

export default {
  title: 'Iniciar sesión',
  lead: 'Tus cámaras, en tu propia caja.',
  name: 'Nombre',
  password: 'Contraseña',
  code: 'Código de tu aplicación de autenticación',
  recoveryCode: 'Código de recuperación',
  useCode: 'Usar la aplicación de autenticación',
  useRecovery: 'Usar un código de recuperación',
  usePasskeyInstead: 'Usar una clave de acceso en lugar del código',
  usePasskey: 'Usar una clave de acceso',
  passkeyHint: 'Una clave de acceso no necesita nombre ni contraseña y, si se lo permites, abre tus grabaciones con el mismo gesto.',
  signIn: 'Iniciar sesión',
  wrongCode: 'El nombre, la contraseña o el código no es correcto. Los códigos cambian cada 30 segundos; ¿va bien el reloj de tu teléfono?',
  wrongRecovery: 'El nombre, la contraseña o el código de recuperación no es correcto. Cada código de recuperación vale una sola vez.',
  wrongPassword: 'El nombre o la contraseña no es correcto, o la clave de acceso no es de esta cuenta.',
  tooMany: 'Demasiados intentos',
  waitBefore: 'El próximo intento es posible en',
  noPasskeyUsed: 'No se usó ninguna clave de acceso.',
} satisfies typeof en;

import type en from '../en/signin';

export default {
  title: 'Se connecter',
  lead: 'Vos caméras, sur votre propre boîtier.',
  name: 'Nom',
  password: 'Mot de passe',
  code: 'Code de votre application d’authentification',
  recoveryCode: 'Code de secours',
  useCode: 'Utiliser l’application d’authentification',
  useRecovery: 'Utiliser plutôt un code de secours',
  usePasskeyInstead: 'Utiliser une clé d’accès au lieu du code',
  usePasskey: 'Utiliser une clé d’accès',
  passkeyHint: 'Une clé d’accès se passe de nom et de mot de passe et, si vous le permettez, ouvre vos enregistrements d’un même geste.',
  signIn: 'Se connecter',
  wrongCode: 'Le nom, le mot de passe ou le code est faux. Les codes changent toutes les 30 secondes ; l’heure de votre téléphone est-elle juste ?',
  wrongRecovery: 'Le nom, le mot de passe ou le code de secours est faux. Chaque code de secours ne sert qu’une fois.',
  wrongPassword: 'Le nom ou le mot de passe est faux, ou la clé d’accès n’est pas celle de ce compte.',
  tooMany: 'Trop d’essais',
  waitBefore: 'Le prochain essai est possible dans',
  noPasskeyUsed: 'Aucune clé d’accès n’a été utilisée.',
} satisfies typeof en;

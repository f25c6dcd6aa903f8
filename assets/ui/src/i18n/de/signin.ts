import type en from '../en/signin';

export default {
  title: 'Anmelden',
  lead: 'Deine Kameras, auf deiner eigenen Box.',
  name: 'Name',
  password: 'Passwort',
  code: 'Code aus deiner Authenticator-App',
  recoveryCode: 'Wiederherstellungscode',
  useCode: 'Die Authenticator-App verwenden',
  useRecovery: 'Stattdessen einen Wiederherstellungscode verwenden',
  usePasskeyInstead: 'Statt des Codes einen Passkey verwenden',
  usePasskey: 'Passkey verwenden',
  passkeyHint: 'Ein Passkey braucht weder Name noch Passwort und öffnet mit derselben Berührung deine Aufnahmen, wenn du es erlaubst.',
  signIn: 'Anmelden',
  wrongCode: 'Name, Passwort oder Code ist falsch. Codes wechseln alle 30 Sekunden; geht die Uhr deines Telefons richtig?',
  wrongRecovery: 'Name, Passwort oder Wiederherstellungscode ist falsch. Jeder Wiederherstellungscode gilt einmal.',
  wrongPassword: 'Name oder Passwort ist falsch, oder der Passkey gehört nicht zu diesem Konto.',
  tooMany: 'Zu viele Versuche',
  waitBefore: 'Der nächste Versuch ist möglich in',
  noPasskeyUsed: 'Es wurde kein Passkey verwendet.',
} satisfies typeof en;

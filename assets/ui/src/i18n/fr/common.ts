import type en from '../en/common';
import { plural } from '../plural';

export default {
  loading: 'Chargement',
  unreachable: 'Le boîtier ne répond pas',
  tryAgain: 'Réessayer',
  missing: { title: 'Il n’y a rien ici', before: 'L’adresse', after: 'ne mène à aucune page.', go: 'Aller aux caméras' },
  step: (at: number, of: number) => `Étape ${at} sur ${of}`,
  close: 'Fermer',
  cancel: 'Annuler',
  save: 'Enregistrer',
  back: 'Retour',
  dismiss: 'Masquer',
  copy: 'Copier',
  copied: 'Copié',
  copyRefused: 'Ce navigateur n’a pas autorisé la copie. Sélectionnez plutôt le texte.',
  show: 'Afficher',
  hide: 'Masquer',
  days: (n: number) => `${n} ${plural('fr', n, { one: 'jour', other: 'jours' })}`,
  noConnection: { title: 'Pas de connexion', detail: 'Le boîtier est injoignable. Est-il allumé, et êtes-vous sur son réseau ?' },
  wrong: 'Une erreur s’est produite',
  status: (code: number) => `Le boîtier a répondu avec le code ${code}. Son journal en dit plus.`,
} satisfies typeof en;

import { plural } from '../plural';

export default {
  loading: 'Loading',
  unreachable: 'The box does not answer',
  tryAgain: 'Try again',
  missing: { title: 'Nothing is here', before: 'The address', after: 'leads to no screen.', go: 'Go to the cameras' },
  step: (at: number, of: number) => `Step ${at} of ${of}`,
  close: 'Close',
  cancel: 'Cancel',
  save: 'Save',
  back: 'Back',
  dismiss: 'Dismiss',
  copy: 'Copy',
  copied: 'Copied',
  copyRefused: 'This browser did not allow copying. Select the text instead.',
  show: 'Show',
  hide: 'Hide',
  days: (n: number) => `${n} ${plural('en', n, { one: 'day', other: 'days' })}`,
  noConnection: { title: 'No connection', detail: 'The box cannot be reached. Is it on, and are you on its network?' },
  wrong: 'Something went wrong',
  status: (code: number) => `The box answered with status ${code}. Its log says more.`,
};

/** What the witness says, in a person's words. */
import type { Kept } from './memory';

export const logTitle = (log: string) => (log === 'access' ? 'Who saw what' : 'Footage: each clip, gap and deletion');

export function alarmText({ alarm, remembered, shown }: Kept): { title: string; short: string; what: string } {
  switch (alarm) {
    case 'rollback':
      return {
        title: 'The log was rolled back',
        short: `${(remembered?.size ?? 0) - shown.size} records that this browser saw are missing.`,
        what: 'A log only ever grows. This one is shorter than at your last visit.',
      };
    case 'fork':
      return {
        title: 'The log was changed',
        short: 'It does not go on from what this browser saw.',
        what: 'Records that were there at your last visit were changed or taken out, or you are shown another log than before.',
      };
    case 'key':
      return {
        title: 'This is another log',
        short: 'It is signed with another key than at your last visit.',
        what: 'The log was started anew, or another box answers at this address. Nothing proves that it goes on from what this browser saw.',
      };
    case 'signature':
      return {
        title: 'The log is not signed as it should be',
        short: 'Its checkpoint does not carry a good signature of its key.',
        what: 'What this browser was shown was not made by the log of this box, or was changed on the way.',
      };
  }
}

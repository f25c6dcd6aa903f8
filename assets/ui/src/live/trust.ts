import type { Trust } from '../api/types';
import type { IconName } from '../controls/icons';
import { m } from '../i18n/m';

interface About {
  label: string;
  tone: 'good' | 'info' | 'warn';
  icon: IconName;
  means: string;
  better: string;
}

/** What each kind of trust means, in words, and what would be better. */
export const trusts: Readonly<Record<Trust, About>> = {
  get paired(): About {
    return { tone: 'good', icon: 'shieldCheck', ...m.live.trust.paired };
  },
  get pinned(): About {
    return { tone: 'info', icon: 'pin', ...m.live.trust.pinned };
  },
  get plain(): About {
    return { tone: 'warn', icon: 'shieldOff', ...m.live.trust.plain };
  },
};

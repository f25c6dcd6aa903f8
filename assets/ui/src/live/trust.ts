import type { IconName } from '../controls/icons';
import type { Trust } from '../api/types';

/** What each kind of trust means, in words, and what would be better. */
export const trusts: Record<Trust, { label: string; tone: 'good' | 'info' | 'warn'; icon: IconName; means: string; better: string }> = {
  paired: {
    label: 'Paired',
    tone: 'good',
    icon: 'shieldCheck',
    means: 'The camera and this box know each other by certificates made here. Nobody between them can watch or take the camera’s place.',
    better: 'None is needed: the certificates are renewed by themselves.',
  },
  pinned: {
    label: 'Pinned',
    tone: 'info',
    icon: 'pin',
    means: 'The connection is encrypted, and the camera’s key is the one you confirmed. If it changes, no password is sent and you are told.',
    better: 'A paired camera checks this box as well, and renews its key by itself. Cameras that run Cardea’s agent can be paired; the agent can also stand beside an old camera and pass its pictures on.',
  },
  plain: {
    label: 'Not encrypted',
    tone: 'warn',
    icon: 'shieldOff',
    means: 'Pictures travel in the clear between the camera and this box. Whoever is on that network can watch them, and could take the camera’s place.',
    better: 'Switch on RTSPS in the camera and add it by its rtsps:// address; then its key is pinned. Where it has none, keep the camera on a network of its own, or run Cardea’s agent beside it and pair that.',
  },
};

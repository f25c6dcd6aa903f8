import common from './common';
import cameras from './cameras';
import claim from './claim';
import events from './events';
import exports from './exports';
import health from './health';
import live from './live';
import log from './log';
import people from './people';
import safety from './safety';
import said from './said';
import settings from './settings';
import share from './share';
import signin from './signin';
import storage from './storage';
import timeline from './timeline';
import vault from './vault';
import vaults from './vaults';

/** Every text of the app in English, by the folder that shows it. Its shape is what the other languages must fill. */
export const messages = { common, cameras, claim, events, exports, health, live, log, people, safety, said, settings, share, signin, storage, timeline, vault, vaults };

export type Messages = typeof messages;

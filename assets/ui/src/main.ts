import { mount } from 'svelte';
import './app.css';
import { load } from './i18n/m';
import { applyTheme } from './settings/theme';

applyTheme();

const target = document.getElementById('app');
if (!target) throw new Error('the page has no #app');
// The app's modules may use the messages from their first line on.
await load();
const { default: App } = await import('./App.svelte');
mount(App, { target });

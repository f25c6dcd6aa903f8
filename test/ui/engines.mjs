// Browsers other than Chromium, driven by the protocols that they speak themselves: Firefox by WebDriver BiDi, and WebKitGTK by
// classic WebDriver. Both know the certificate of the box as a person's browser would: it is in the store that they trust.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';
import { scratch, until } from './box.mjs';

const results = join(import.meta.dirname, '../results/ui');

/** Finds a control by what a person reads on it. Runs in the page. */
function byName(kind, name) {
  const visible = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden';
  const said = (e) => (e.getAttribute('aria-label') ?? e.innerText ?? '').replace(/\s+/g, ' ').trim();
  // A dialog that is open is all that can be used.
  const root = document.querySelector('dialog[open]') ?? document;
  if (kind === 'field') {
    const labels = [...root.querySelectorAll('label')].filter((l) => visible(l) && said(l).startsWith(name));
    for (const label of labels) {
      const field = label.htmlFor ? document.getElementById(label.htmlFor) : label.querySelector('input, select, textarea');
      if (field) return field;
    }
    return [...root.querySelectorAll('input[aria-label], select[aria-label]')].find((e) => visible(e) && said(e).startsWith(name));
  }
  const tags = { button: 'button, [role=button]', link: 'a[href]' }[kind];
  const all = [...root.querySelectorAll(tags)].filter((e) => visible(e) && !e.disabled);
  return all.find((e) => said(e) === name) ?? all.find((e) => said(e).startsWith(name));
}

/** What both browsers do alike. A subclass gives `run`, `tap` and `write`. */
class Driver {
  async element(kind, name) {
    return until(`${kind} “${name}”`, () => this.find(byName, kind, name));
  }
  async click(kind, name) {
    await this.tap(await this.element(kind, name));
  }
  async fill(name, text) {
    await this.write(await this.element('field', name), text);
  }
  async text() {
    return this.run(() => document.body.innerText);
  }
  async sees(text) {
    await until(`the text “${text}”`, async () => (await this.text()).includes(text));
  }
  /** An element by its selector, as `onScreen` of picture.mjs wants it. */
  at(selector) {
    return { evaluate: (fn) => this.run(`const element = document.querySelector(${JSON.stringify(selector)}); return element ? (${fn})(element) : undefined`) };
  }
  keep(name) {
    mkdirSync(results, { recursive: true });
    return this.picture(join(results, `${name}.png`));
  }
}

/** Firefox, with the certificate in the store of its profile. */
export class Firefox extends Driver {
  static async start(t, certificate) {
    const profile = scratch(t, 'firefox');
    writeFileSync(join(profile, 'ca.pem'), certificate);
    execFileSync('certutil', ['-N', '-d', `sql:${profile}`, '--empty-password']);
    execFileSync('certutil', ['-A', '-d', `sql:${profile}`, '-n', 'cardea', '-t', 'C,,', '-i', join(profile, 'ca.pem')]);
    const browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
      userDataDir: profile,
      acceptInsecureCerts: false,
      extraPrefsFirefox: { 'intl.accept_languages': 'en-GB', 'media.autoplay.default': 0, 'app.update.enabled': false, 'datareporting.policy.dataSubmissionEnabled': false },
      defaultViewport: { width: 1280, height: 800 },
      env: { ...process.env, HOME: profile, MOZ_HEADLESS: '1' },
    });
    t.after(() => browser.close());
    const driver = new Firefox();
    driver.version = await browser.version();
    driver.page = await browser.newPage();
    return driver;
  }
  open(url) {
    return this.page.goto(url);
  }
  run(fn) {
    return this.page.evaluate(typeof fn === 'string' ? `(() => { ${fn} })()` : fn);
  }
  async find(fn, ...args) {
    return (await this.page.evaluateHandle(fn, ...args)).asElement();
  }
  tap(element) {
    return element.click();
  }
  async write(element, text) {
    const tag = await element.evaluate((e) => e.tagName);
    if (tag === 'SELECT') return void (await element.select(text));
    await element.evaluate((e) => e.select());
    await element.type(text);
  }
  picture(path) {
    return this.page.screenshot({ path });
  }
}

/** WebKitGTK's own browser on a virtual screen. Its certificates are those of the system, so it gets a system of its own. */
export class WebKit extends Driver {
  static async start(t, certificate) {
    const home = scratch(t, 'webkit');
    const bundle = '/etc/ssl/certs/ca-certificates.crt';
    writeFileSync(join(home, 'bundle.crt'), Buffer.concat([readFileSync(bundle), Buffer.from('\n'), certificate]));
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    const inside = `mount --bind "$BUNDLE" ${bundle} && exec xvfb-run -a -s "-screen 0 1280x800x24" WebKitWebDriver --host=127.0.0.1 --port=${port}`;
    const driver = new WebKit();
    const process_ = spawn('unshare', ['--mount', 'sh', '-c', inside], {
      env: { ...process.env, HOME: home, XDG_RUNTIME_DIR: home, BUNDLE: join(home, 'bundle.crt'), WEBKIT_DISABLE_COMPOSITING_MODE: '1', LIBGL_ALWAYS_SOFTWARE: '1', LANG: 'C.UTF-8', NO_AT_BRIDGE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let said = '';
    for (const stream of [process_.stdout, process_.stderr]) stream.on('data', (text) => (said += text));
    t.after(async () => {
      await driver.call('DELETE', '').catch(() => undefined);
      try {
        process.kill(-process_.pid, 'SIGKILL');
      } catch {
        // It has gone by itself.
      }
    });
    driver.base = `http://127.0.0.1:${port}`;
    await until('the WebDriver of WebKitGTK', async () => {
      if (process_.exitCode !== null) throw new Error(`it has ended:\n${said}`);
      return fetch(`${driver.base}/status`).then((r) => r.ok, () => false);
    });
    const browser = process.env.MINIBROWSER ?? `/usr/lib/${execFileSync('gcc', ['-dumpmachine']).toString().trim()}/webkit2gtk-4.1/MiniBrowser`;
    const session = await driver.call('POST', undefined, {
      capabilities: { alwaysMatch: { browserName: 'MiniBrowser', acceptInsecureCerts: false, 'webkitgtk:browserOptions': { binary: browser, args: ['--automation'] } } },
    });
    driver.base += `/session/${session.sessionId}`;
    driver.version = `${session.capabilities.browserName} ${session.capabilities.browserVersion}`;
    await driver.call('POST', '/timeouts', { script: 60_000, pageLoad: 60_000 });
    return driver;
  }

  async call(method, path, body) {
    const response = await fetch(path === undefined ? `${this.base}/session` : `${this.base}${path}`, { method, body: body && JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`WebDriver ${path}: ${value.error}: ${value.message}`);
    return value;
  }
  open(url) {
    return this.call('POST', '/url', { url });
  }
  run(fn) {
    return this.call('POST', '/execute/sync', { script: typeof fn === 'string' ? fn : `return (${fn})()`, args: [] }).then((value) => value ?? undefined);
  }
  async find(fn, ...args) {
    const value = await this.call('POST', '/execute/sync', { script: `return (${fn})(...arguments)`, args });
    return value ? Object.values(value)[0] : undefined;
  }
  tap(id) {
    return this.call('POST', `/element/${id}/click`, {});
  }
  async write(id, text) {
    const tag = await this.call('GET', `/element/${id}/name`);
    if (tag.toUpperCase() !== 'SELECT') await this.call('POST', `/element/${id}/clear`, {});
    await this.call('POST', `/element/${id}/value`, { text });
  }
  async picture(path) {
    writeFileSync(path, Buffer.from(await this.call('GET', '/screenshot'), 'base64'));
  }
}

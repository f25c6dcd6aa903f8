// Takes the pictures of docs/pictures: every page on a phone, a tablet and a desk, in light and dark. `make pictures`.
// They are of a demo of a few minutes, with its virtual cameras.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { browse, fetchUnchecked, Program, setUp, signIn, until } from './box.mjs';

const out = join(import.meta.dirname, '../../docs/pictures');
const password = 'seven quiet lanterns 42';
const passphrase = 'lusab-babad-gutih-tugad-mudof';

const devices = {
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
  tablet: { viewport: { width: 820, height: 1180 }, hasTouch: true },
  desktop: { viewport: { width: 1280, height: 800 } },
};

/** The pages, by their address, in the order of the menu. */
const pages = ['live', 'timeline', 'events', 'cameras', 'storage', 'health', 'safety', 'log', 'people', 'vaults', 'links', 'account', 'settings'];

// What node:test gives a test: things to do at the end.
const ends = [];
const t = { after: (end) => ends.unshift(end) };
try {
  const dir = mkdtempSync(join(tmpdir(), 'cardea-pictures-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const owner = setUp(dir, password, passphrase);
  const box = new Program('demo', '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  const origin = await box.says(/Address:\s+(https:\S+)/);
  await until('an answer', () => fetchUnchecked(`${origin}/healthz`).catch(() => undefined));
  const certificate = await fetchUnchecked(`${origin}/ca.pem`);
  mkdirSync(out, { recursive: true });
  const begun = Date.now();
  const minutes = Number(process.env.MINUTES ?? 3);

  for (const [device, context] of Object.entries(devices)) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await browse(t, { certificate, colorScheme, ...context });
      const devtools = await page.context().newCDPSession(page);
      const take = async (name) => {
        await page.waitForTimeout(600);
        const { data } = await devtools.send('Page.captureScreenshot', { format: 'webp', quality: 82 });
        writeFileSync(join(out, `${name}-${device}-${colorScheme}.webp`), Buffer.from(data, 'base64'));
      };
      await page.goto(origin);
      await page.getByLabel('Code from').waitFor();
      await take('sign-in');
      await signIn(page, password, owner.secret);
      await page.getByRole('button', { name: 'Vault locked' }).first().click();
      await page.getByLabel('Vault passphrase').fill(passphrase);
      await page.locator('form').getByRole('button', { name: 'Unlock', exact: true }).click();
      await page.getByRole('button', { name: 'Vault open' }).first().waitFor();
      await page.waitForTimeout(Math.max(0, begun + minutes * 60_000 - Date.now()));
      for (const name of pages) {
        // Inside the app, so that the vault stays open.
        await page.evaluate((to) => {
          const link = document.createElement('a');
          link.href = to;
          document.body.append(link);
          link.click();
          link.remove();
        }, `/${name}`);
        await page.waitForLoadState('networkidle').catch(() => undefined);
        if (name === 'live') await page.locator('[data-state=live]').first().waitFor();
        await take(name);
      }
      await page.context().browser().close();
    }
  }
} finally {
  for (const end of ends) await end();
}

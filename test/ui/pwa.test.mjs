// The app on a home screen: it can be installed, opens while the box is away, and keeps nothing but its own code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browse, fetchUnchecked, keep, Program, scratch, setUp, signIn } from './box.mjs';

const password = 'seven quiet lanterns 42';

test('an installed app without its box', async (t) => {
  const dir = scratch(t, 'pwa');
  const { secret } = setUp(dir, password, 'tall green harbours 7');
  let box = new Program('serve', '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  const origin = await box.says(/Address:\s+(https:\S+)/);
  const page = await browse(t, { certificate: await fetchUnchecked(`${origin}/ca.pem`) });

  await t.test('can be installed', async () => {
    await page.goto(origin);
    const devtools = await page.context().newCDPSession(page);
    const { errors } = await devtools.send('Page.getAppManifest');
    assert.deepEqual(errors, []);
    const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors');
    // Playwright's contexts are incognito ones, which install nothing.
    assert.deepEqual(installabilityErrors.map((e) => e.errorId).filter((id) => id !== 'in-incognito'), []);
    await signIn(page, password, secret);
  });

  await t.test('keeps its code and nothing else', async () => {
    await page.waitForFunction(async () => (await caches.keys()).length === 1 && (await (await caches.open((await caches.keys())[0])).match('/')) !== undefined);
    const kept = await page.evaluate(async () => (await (await caches.open((await caches.keys())[0])).keys()).map((request) => new URL(request.url).pathname));
    assert.ok(kept.some((path) => /^\/assets\/App-.*\.js$/.test(path)), kept.join());
    assert.deepEqual(kept.filter((path) => path !== '/' && !path.startsWith('/assets/')), []);
  });

  await t.test('opens while the box is away, and comes back with it', async () => {
    await box.stop();
    await page.reload();
    await page.getByRole('heading', { name: 'The box does not answer' }).waitFor();
    await keep(page, 'pwa-away');
    box = new Program('serve', '--data', dir, '--listen', new URL(origin).host);
    await page.getByRole('navigation').waitFor();
  });
});

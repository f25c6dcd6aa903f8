// A person whose browser speaks German meets no English: before the sign-in, on each page, and in what the box says when something is wrong.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { accessible } from './axe.mjs';
import { keep, Program, scratch, totp, until } from './box.mjs';
import { open } from './cameras.mjs';

/** Words that stand in most English sentences and in none of another language. */
const english = /\b(the|this|that|with|and|your|cannot|from|there|which|been|does|have)\b/i;

/** No English is on the page, nor in what is read aloud or hinted at; names of languages, and what is typed, are not meant. */
async function noEnglish(page, where) {
  const texts = await page.evaluate(() => {
    const foreign = '[lang]:not(html), code, input, textarea, script, style';
    const shown = [...document.querySelectorAll('body *')].filter((e) => !e.closest(foreign) && e.checkVisibility());
    const own = (e) => [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.textContent).join(' ').trim();
    return [document.title, ...shown.flatMap((e) => [own(e), e.ariaLabel, e.title])].filter(Boolean);
  });
  assert.ok(texts.length > 5, `${where} has no text`);
  assert.deepEqual(texts.filter((text) => english.test(text)), [], where);
}

/** Something that answers each line like a camera with a password, or each request like a web server. */
async function listens(t, answer) {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => socket.write(answer(/CSeq: (\d+)/.exec(data)?.[1])));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  return `127.0.0.1:${server.address().port}`;
}

test('a box that speaks German', async (t) => {
  const camera = new Program('camera', '--data', scratch(t, 'camera'), '--listen', '127.0.0.1:0', '--source', 'test:', '--name', 'Tor', '--quiet');
  t.after(() => camera.stop());
  const at = await camera.says(/^Address: (\S+)$/m);
  const code = await camera.says(/^Activation code: (\d{4} \d{4})/m);
  const locked = await listens(t, (seq) => `RTSP/1.0 401 Unauthorized\r\nCSeq: ${seq}\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n`);
  const web = await listens(t, () => 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
  const { page, origin, password, secret } = await open(t, { locale: 'de-DE', timezoneId: 'Europe/Berlin' });
  const dialog = page.getByRole('dialog');
  const button = (name) => page.getByRole('button', { name, exact: true });

  await t.test('offers its languages before the sign-in', async () => {
    await page.goto(`${origin}/cameras`);
    for (const [name, lang, title] of [['Français', 'fr', 'Se connecter'], ['Español', 'es', 'Iniciar sesión'], ['Deutsch', 'de', 'Anmelden']]) {
      await button(name).click();
      await page.getByRole('heading', { name: title }).waitFor();
      assert.equal(await page.locator('html').getAttribute('lang'), lang);
      await noEnglish(page, name);
    }
    await accessible(page, 'sign-in with languages');
    await keep(page, 'words-signin');
  });

  await t.test('refuses a wrong code, and lets in with the right one', async () => {
    await page.getByLabel('Name').fill('Ada');
    await page.getByLabel('Passwort', { exact: true }).fill(password);
    const right = totp(secret);
    await page.locator('#code').fill(right === '000000' ? '000001' : '000000');
    await button('Anmelden').click();
    await page.getByRole('alert').waitFor();
    await noEnglish(page, 'a wrong code');
    await page.locator('#code').fill(totp(secret));
    await button('Anmelden').click();
    await page.getByRole('navigation').first().waitFor();
  });

  await t.test('says why a camera cannot be had', async () => {
    await button('Kamera hinzufügen').click();
    const address = dialog.getByLabel('Adresse der Kamera');
    for (const [typed, says] of [
      ['rtsp://127.0.0.1:1/x', 'Die Kamera unter 127.0.0.1:1 ist nicht erreichbar: an diesem Port antwortet nichts. Prüfe'],
      [`rtsp://${locked}/x`, 'Die Kamera verlangt Benutzername und Passwort'],
      [`rtsp://ada:falsch@${locked}/x`, 'Die Kamera hat Benutzername oder Passwort abgelehnt'],
      [`rtsp://${web}/x`, 'ist keine RTSP-Kamera: es ist ein Webserver; nimm den RTSP-Port'],
      ['rtsp://127.0.0.1:99999/x', 'Diese Adresse geht nicht: ihr Port ist keine Zahl von 1 bis 65535'],
    ]) {
      await address.fill(typed);
      await dialog.locator('button[type=submit]').click();
      await dialog.getByRole('alert').filter({ hasText: says }).waitFor();
      await noEnglish(page, typed);
    }
    await keep(page, 'words-refused');
    await address.fill(at);
    await dialog.getByRole('button', { name: 'koppeln' }).click();
    await dialog.getByLabel('Aktivierungscode').fill(code === '0000 0000' ? '0000 0001' : '0000 0000');
    await dialog.locator('button[type=submit]').click();
    await dialog.getByRole('alert').filter({ hasText: 'Der Code passt nicht: Lies ihn noch einmal von der Kamera ab.' }).waitFor();
    await noEnglish(page, 'a wrong activation code');
  });

  await t.test('has no English on any page', async () => {
    // A camera that goes away is told of everywhere.
    await dialog.getByLabel('Aktivierungscode').fill(code);
    await dialog.locator('button[type=submit]').click();
    await dialog.getByText('ist gekoppelt').waitFor();
    await noEnglish(page, 'a paired camera');
    await dialog.getByRole('button', { name: 'Fertig', exact: true }).click();
    await page.getByText('Online').first().waitFor();
    await camera.stop();
    await page.getByText(/Die Kamera .*(beendet|erreichbar|gesendet)/).first().waitFor();
    const paths = await page.getByRole('navigation').locator('a').evaluateAll((links) => [...new Set(links.map((a) => a.pathname))]);
    assert.ok(paths.length >= 12, `only ${paths}`);
    for (const path of paths) {
      await page.goto(`${origin}${path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await until('all of the page', async () => !(await page.locator('[aria-busy=true]').count()));
      await noEnglish(page, path);
      if (path === '/health') await keep(page, 'words-health');
    }
    assert.deepEqual(page.complaints.filter((c) => !/status of [45]/.test(c)), []);
  });
});

// People: somebody is invited and sees one camera only, the owner reads what they watched, and the browser notices when
// the log is put back.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { binary, browse, fetchUnchecked, keep, Program, scratch, setUp, signIn, totp, until } from './box.mjs';

const password = 'seven quiet lanterns 42';
const passphrase = 'lusab-babad-gutih-tugad-mudof';
const theirs = 'eleven loud kettles 17';
const guests = 'gutih-lusab-mudof-babad-tugad';

/** A box with an owner and two cameras. */
async function household(t) {
  const cameras = new Program('demo', '--data', scratch(t, 'cameras'), '--listen', '127.0.0.1:0');
  t.after(() => cameras.stop());
  const front = await cameras.says(/url=(rtsp:\/\/\S+front-door)/);
  const dir = scratch(t, 'nvr');
  const owner = setUp(dir, password, passphrase);
  const port = 20_000 + (process.pid % 20_000);
  const house = { dir, owner };
  house.start = async () => {
    house.box = new Program('serve', '--data', dir, '--listen', `127.0.0.1:${port}`);
    await until('the box', () => fetchUnchecked(`https://127.0.0.1:${port}/healthz`).then(String).catch(() => ''));
  };
  await house.start();
  t.after(() => house.box.stop());
  for (const name of ['Porch', 'Yard']) execFileSync(binary, ['cameras', 'add', '--name', name, front, '--data', dir], { stdio: ['ignore', 'pipe', 'pipe'] });
  // Passkeys need the name.
  house.name = JSON.parse(await fetchUnchecked(`https://127.0.0.1:${port}/api/setup`)).name;
  house.origin = `https://${house.name}:${port}`;
  house.certificate = await fetchUnchecked(`https://127.0.0.1:${port}/ca.pem`);
  return house;
}

test('people', async (t) => {
  const house = await household(t);
  const page = await browse(t, { certificate: house.certificate, name: house.name });
  const screens = page.getByRole('navigation', { name: 'Screens' });
  await page.goto(`${house.origin}/people`);
  await signIn(page, password, house.owner.secret);

  let link;
  await t.test('an owner invites somebody for one camera', async () => {
    await page.getByRole('button', { name: 'Add person' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Anna');
    await dialog.getByLabel('Porch').check();
    await dialog.getByRole('button', { name: 'Make the invitation' }).click();
    link = await dialog.getByTestId('invitation').innerText();
    await keep(page, 'invitation');
    await dialog.getByRole('button', { name: 'Done' }).click();
    await page.getByText('Invitation open').waitFor();
    await page.getByText('Will see Porch.').waitFor();
  });

  let print;
  const guest = await browse(t, { certificate: house.certificate, name: house.name, viewport: { width: 390, height: 844 }, colorScheme: 'dark', hasTouch: true });
  const asked = [];
  guest.on('request', (request) => asked.push(request.url()));
  await t.test('the guest makes the account their own', async () => {
    const token = new URL(link).hash;
    await guest.goto(`${house.origin}/invite${token}`);
    await guest.getByText('Welcome, Anna').waitFor();
    assert.equal(new URL(guest.url()).hash, '', 'the token stays in the address bar');
    await guest.getByLabel('New password').fill(theirs);
    await guest.getByLabel('Password again').fill(theirs);
    await keep(guest, 'invited');
    await guest.getByRole('button', { name: 'Continue' }).click();
    const secret = await guest.getByTestId('totp-secret').innerText();
    await guest.getByLabel('The code that').fill(totp(secret));
    await guest.getByRole('button', { name: 'Check the code' }).click();
    await guest.getByLabel('I have kept').check();
    await guest.getByRole('button', { name: 'Continue' }).click();
    await guest.getByLabel('Vault passphrase', { exact: true }).fill(theirs);
    await guest.getByRole('button', { name: 'Make my key' }).click();
    await guest.getByText('This is your sign-in password').waitFor();
    await guest.getByLabel('Vault passphrase', { exact: true }).fill(guests);
    await guest.getByRole('button', { name: 'Make my key' }).click();
    print = await guest.getByTestId('fingerprint').innerText();
    await keep(guest, 'invited-key');
    await guest.getByRole('button', { name: 'Continue' }).click();
    assert.ok(!asked.some((url) => url.includes(token.slice(1))), 'the token is in no address that was asked for');
  });

  await t.test('they see that camera and no other', async () => {
    await guest.locator('[data-testid=tile][data-state=live]').waitFor();
    assert.equal(await guest.getByTestId('tile').count(), 1);
    assert.equal(await guest.getByText('Yard').count(), 0);
    for (const screen of ['/people', '/log']) {
      await guest.goto(`${house.origin}${screen}`);
      await guest.getByText('Nothing is here').waitFor();
    }
    await keep(guest, 'guest');
  });

  await t.test('the owner reads who saw what', async () => {
    await page.goto(`${house.origin}/log`);
    await page.getByLabel('Person').selectOption('Anna');
    await page.getByLabel('What', { exact: true }).selectOption('live');
    await page.getByTestId('filtered').filter({ hasText: 'Shown: Watched live, by Anna.' }).waitFor();
    const sentence = page.getByTestId('sentence').filter({ hasText: /^Anna watched Porch live.* from 127\.0\.0\.1$/ }).first();
    await sentence.waitFor();
    await sentence.click();
    const saved = page.waitForEvent('download');
    // A record is signed for some seconds after it was written.
    await until('the proof', async () => {
      await page.getByRole('button', { name: 'Save its proof' }).first().click();
      await new Promise((r) => setTimeout(r, 1000));
      return page.getByText('Checked: its place').count();
    });
    await saved;
    await keep(page, 'log');
  });

  const home = page.getByRole('region', { name: 'Home' });
  const unlock = async (who, secret) => {
    const dialog = who.getByRole('dialog');
    await dialog.getByLabel('Vault passphrase', { exact: true }).fill(secret);
    await dialog.getByRole('button', { name: 'Unlock', exact: true }).click();
    await who.getByRole('button', { name: 'Vault open' }).waitFor();
  };
  await t.test('the owner finds who waits, and grants the vault to the key of the guest', async () => {
    await page.goto(`${house.origin}/vaults`);
    await page.getByText('Waiting for access to recordings: Anna').first().waitFor();
    await page.getByRole('row', { name: /^Anna/ }).getByText('no access').waitFor();
    await home.getByRole('button', { name: 'Unlock' }).click();
    await unlock(page, passphrase);
    await page.getByRole('button', { name: 'Give access' }).click();
    await page.getByRole('dialog').getByText(print).waitFor();
    await keep(page, 'grant');
    await page.getByRole('button', { name: 'It is the same' }).click();
    await page.getByRole('button', { name: 'Take away' }).waitFor();
    await page.getByRole('row', { name: /^Anna/ }).getByText('own key').waitFor();
    await keep(page, 'vaults');
    assert.equal(await page.getByText('Waiting for access').count(), 0);
    await guest.goto(`${house.origin}/account`);
    assert.equal(await guest.getByTestId('fingerprint').innerText(), print);
    await keep(guest, 'guest-account');
    await guest.getByRole('button', { name: 'Vault locked' }).click();
    await unlock(guest, guests);
  });

  await t.test('access is taken away, and the key renewed', async () => {
    await page.getByRole('button', { name: 'Take away' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Take access away' }).click();
    const dialog = page.getByRole('dialog', { name: /Renew the key/ });
    await dialog.getByRole('button', { name: 'Suggest' }).click();
    const field = dialog.getByLabel('Your sign-in password');
    if (await field.count()) await field.fill(password);
    await dialog.getByRole('button', { name: 'Make the new key' }).click();
    const identity = (await dialog.getByTestId('identity').innerText()).replace(/\s/g, '');
    await dialog.getByRole('button', { name: 'I have saved it' }).click();
    await dialog.getByLabel('The key on').fill(identity);
    await dialog.getByRole('button', { name: 'Test the kit' }).click();
    await page.getByText('Keys of older recordings').waitFor();
    assert.equal(await page.getByText('Not finished').count(), 0);
    await home.getByRole('button', { name: 'Give access' }).waitFor();
    await keep(page, 'renewed');
  });

  await t.test('access is given back, with the older recordings', async () => {
    await home.getByRole('button', { name: 'Give access' }).click();
    const dialog = page.getByRole('dialog');
    assert.ok(await dialog.getByLabel('Also the recordings of the key before').isChecked());
    await dialog.getByRole('button', { name: 'It is the same' }).click();
    await home.getByRole('button', { name: 'Take away' }).waitFor();
    const held = await guest.evaluate(async () => (await (await fetch('/api/vaults')).json()).map((v) => v.grants.map((g) => g.kind)));
    assert.deepEqual(held, [['sealed'], ['sealed']], 'the old key and the new one');
    await guest.reload();
    await guest.getByRole('button', { name: 'Vault locked' }).click();
    await unlock(guest, guests);
  });

  await t.test('nobody locks themselves out of the administration by mistake', async () => {
    await page.goto(`${house.origin}/people`);
    const addresses = page.getByLabel('Addresses or networks');
    const save = page.getByRole('button', { name: 'Save' }).last();
    await addresses.fill('10.0.0.0/8');
    await save.click();
    await page.getByText('This would lock you out').waitFor();
    await keep(page, 'lock-out');
    await page.getByRole('button', { name: 'Add my address' }).click();
    await page.getByRole('button', { name: 'Save', exact: true }).last().click();
    await page.getByText('administered from these addresses only').waitFor();
    await addresses.fill('');
    await page.getByRole('button', { name: 'Save', exact: true }).last().click();
    await page.getByText('can be administered from everywhere').waitFor();
  });

  await t.test('an owner switches the guest off, and they are out at once', async () => {
    await page.goto(`${house.origin}/people`);
    await page.getByRole('button', { name: 'Change Anna' }).click();
    await page.getByRole('button', { name: 'Switch off' }).click();
    await page.getByText('Switched off', { exact: true }).waitFor();
    await keep(page, 'people');
    await guest.goto(`${house.origin}/live`);
    await guest.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
  });

  await t.test('a passkey signs in', async () => {
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('WebAuthn.enable');
    await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true, hasPrf: true, isUserVerified: true },
    });
    await page.goto(`${house.origin}/account`);
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByLabel('Name').fill('Laptop');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('The passkey is enrolled').waitFor();
    await keep(page, 'account');
    await page.getByRole('button', { name: 'Sign out', exact: true }).first().click();
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    await screens.waitFor();
  });

  await t.test('a token is shown once', async () => {
    await page.goto(`${house.origin}/account`);
    await page.getByRole('button', { name: 'New token' }).click();
    await page.getByLabel('Name').fill('Script');
    await page.getByRole('button', { name: 'Make the token' }).click();
    assert.match(await page.getByTestId('token').innerText(), /^cardea_/);
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByText('never used').waitFor();
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.getByText('The program that uses it stops').waitFor();
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.getByText('never used').waitFor({ state: 'detached' });
  });

  await t.test('a log that was put back is noticed', async () => {
    // Attack case 81 of docs/attacks.md.
    const size = async () => Number(await page.getByTestId('witness-access').getAttribute('data-size'));
    await page.goto(`${house.origin}/log`);
    const before = await size();
    await house.box.stop();
    const copy = scratch(t, 'copy');
    cpSync(house.dir, copy, { recursive: true });
    await house.start();
    // Something happens that the browser sees, and then it never happened.
    await page.goto(`${house.origin}/log`);
    const statuses = await page.evaluate(async () => {
      const [{ id }] = await (await fetch('/api/cameras')).json();
      const all = [];
      for (let i = 0; i < 20; i++) {
        const change = { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name: `Porch ${i}` }) };
        all.push((await fetch(`/api/cameras/${id}`, change)).status);
      }
      return all;
    });
    assert.deepEqual(new Set(statuses), new Set([200]));
    await until('a longer log', async () => {
      await page.getByRole('button', { name: 'Compare now' }).click();
      return (await size()) > before + 15;
    });
    await house.box.stop();
    rmSync(house.dir, { recursive: true });
    cpSync(copy, house.dir, { recursive: true });
    await house.start();
    await page.goto(`${house.origin}/live`);
    const alarm = page.getByRole('heading', { name: 'The log was rolled back' });
    await alarm.waitFor();
    await keep(page, 'rollback');
    assert.equal(await screens.count(), 0, 'the alarm has the screen for itself');
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save both checkpoints' }).click();
    await saved;
    await page.reload();
    await alarm.waitFor();
    // Both logs were put back, and each is told.
    await until('the app', async () => {
      if (await screens.count()) return true;
      await page.getByLabel('I have read this').check();
      await page.getByRole('button', { name: 'Go on' }).click();
      await page.getByRole('button', { name: 'Go on', disabled: true }).or(screens).first().waitFor();
    });
    await page.reload();
    await screens.waitFor();
  });

  assert.deepEqual(page.complaints.filter((c) => !/WebSocket|ERR_CONNECTION|Failed to load/.test(c)), []);
});

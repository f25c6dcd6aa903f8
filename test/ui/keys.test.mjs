// The keys of an owner: a passkey that signs in and opens the recordings with one touch, a vault that the box may open and
// may not again, a second vault with a kit of its own, the kit alone on a new device, and two owners for what matters.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { accessible } from './axe.mjs';
import { binary, browse, fetchUnchecked, keep, Program, scratch, setUp, signIn, totp, until } from './box.mjs';

const password = 'seven quiet lanterns 42';
const passphrase = 'lusab-babad-gutih-tugad-mudof';

test('keys', async (t) => {
  const cameras = new Program('demo', '--data', scratch(t, 'cameras'), '--listen', '127.0.0.1:0');
  t.after(() => cameras.stop());
  const front = await cameras.says(/url=(rtsp:\/\/\S+front-door)/);
  const dir = scratch(t, 'nvr');
  const owner = setUp(dir, password, passphrase);
  const box = new Program('serve', '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  const address = await box.says(/Address:\s+(https:\S+)/);
  await until('the box', () => fetchUnchecked(`${address}/healthz`).then(String).catch(() => ''));
  const run = (...args) => execFileSync(binary, [...args, '--data', dir], { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
  for (const name of ['Porch', 'Garden gate']) run('cameras', 'add', '--name', name, front);
  const secretFile = join(scratch(t, 'secrets'), 'password');
  writeFileSync(secretFile, 'nine purple harbours 99');
  const second = JSON.parse(run('users', 'add', 'Bea', '--role', 'owner', '--password-file', secretFile));
  // Passkeys need the name.
  const { name } = JSON.parse(await fetchUnchecked(`${address}/api/setup`));
  const origin = `https://${name}:${new URL(address).port}`;
  const certificate = await fetchUnchecked(`${address}/ca.pem`);

  const page = await browse(t, { certificate, name });
  // Whatever leaves the browser.
  const sent = [];
  page.on('request', (request) => sent.push({ url: request.url(), body: request.postData() ?? '' }));
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const authenticator = (hasPrf) =>
    devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true, hasPrf, isUserVerified: true },
    });
  const { authenticatorId } = await authenticator(true);
  const to = (screen) => page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: screen, exact: true }).click();
  const unlock = async (who, secret, vault = '') => {
    const dialog = who.getByRole('dialog', { name: vault });
    await dialog.getByLabel('Vault passphrase', { exact: true }).fill(secret);
    await dialog.getByRole('button', { name: 'Unlock', exact: true }).click();
  };
  const isOpen = page.getByRole('button', { name: 'Vault open' });
  await page.goto(`${origin}/account`);
  await signIn(page, password, owner.secret);

  await t.test('a passkey is let open the recordings', async () => {
    await page.getByRole('button', { name: 'Vault locked' }).click();
    await unlock(page, passphrase);
    await isOpen.waitFor();
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByLabel('Name').fill('Laptop');
    await page.getByRole('button', { name: 'Continue' }).click();
    const once = page.getByText('Opens your recordings', { exact: true });
    const more = page.getByRole('button', { name: 'Let it open my recordings' });
    await once.or(more).first().waitFor();
    if (await more.count()) {
      await keep(page, 'passkey-touch');
      await more.click();
    }
    await once.waitFor();
    await keep(page, 'passkey');
  });

  await t.test('that is taken back, and given again', async () => {
    await page.getByRole('button', { name: 'Signing in only' }).click();
    await page.getByText('Signs in only', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Let it open your recordings' }).click();
    await page.getByText('Opens your recordings', { exact: true }).waitFor();
  });

  await t.test('one touch signs in and opens them', async () => {
    await page.getByRole('button', { name: 'Sign out', exact: true }).first().click();
    await keep(page, 'sign-in');
    await page.getByRole('button', { name: 'Use a passkey', exact: true }).click();
    await isOpen.waitFor();
  });

  await t.test('and opens them again after they were locked', async () => {
    await isOpen.click();
    await page.getByRole('button', { name: 'Vault locked' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Unlock with your passkey' }).waitFor();
    await keep(page, 'unlock-passkey');
    await page.getByRole('dialog').getByRole('button', { name: 'Unlock with your passkey' }).click();
    await isOpen.waitFor();
  });

  await t.test('it stands for the code behind a password', async () => {
    await page.getByRole('button', { name: 'Sign out', exact: true }).first().click();
    await page.getByLabel('Name').fill('Ada');
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByRole('button', { name: 'Use a passkey instead of the code' }).click();
    await isOpen.waitFor();
  });

  const home = page.getByRole('region', { name: 'Home' });
  const video = async () => {
    const [{ id }] = JSON.parse(run('clips', 'list', '--json'));
    return page.evaluate(async (clip) => (await fetch(`/api/clips/${clip}/video`, { headers: { Range: 'bytes=0-99' } })).status, id);
  };
  await t.test('a vault is opened to the box, and everybody is told', async () => {
    await until('a clip', () => JSON.parse(run('clips', 'list', '--json')).length > 0, 60);
    assert.equal(await video(), 409, 'a sealed vault');
    await to('Vaults');
    await home.getByRole('button', { name: 'Let the box open it' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Whoever steals the box with its disk').waitFor();
    const act = dialog.getByRole('button', { name: 'Let the box open it' });
    assert.ok(await act.isDisabled(), 'read first');
    await keep(page, 'open-vault');
    await accessible(page, 'opening a vault');
    await dialog.getByLabel('I have read this').check();
    await act.click();
    await home.getByText('The box can open it', { exact: true }).waitFor();
    await page.getByRole('row', { name: /^The box itself/ }).getByText('can open it').waitFor();
    await to('Live');
    await page.getByText('The box itself can open the vault Home').waitFor();
    assert.equal(await video(), 206);
  });

  await t.test('and sealed again', async () => {
    await to('Vaults');
    await home.getByRole('button', { name: 'Seal it from the box' }).click();
    await home.getByText('Sealed from the box').waitFor();
    await to('Live');
    await until('the warning to go', async () => (await page.getByText('The box itself can open').count()) === 0);
    assert.equal(await video(), 409);
    const keySent = sent.filter((r) => r.body.toUpperCase().includes('AGE-SECRET-KEY'));
    assert.deepEqual(keySent.map((r) => new URL(r.url).pathname.split('/').at(-1)), ['open'], 'the key went out once, when it was meant to');
  });

  await t.test('a second vault has a kit of its own, and cameras', async () => {
    await to('Vaults');
    await page.getByRole('button', { name: 'New vault' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Garden');
    await dialog.getByRole('button', { name: 'Continue' }).click();
    await dialog.getByLabel('Vault passphrase', { exact: true }).fill(passphrase);
    const field = dialog.getByLabel('Your sign-in password');
    if (await field.count()) await field.fill(password);
    await dialog.getByRole('button', { name: 'Make the vault' }).click();
    const identity = (await dialog.getByTestId('identity').innerText()).replace(/\s/g, '');
    await dialog.getByRole('button', { name: 'I have saved it' }).click();
    await dialog.getByLabel('The key on').fill(owner.vault_identity);
    await dialog.getByRole('button', { name: 'Test the kit' }).click();
    await dialog.getByText('not the one of this vault').waitFor();
    assert.equal(JSON.parse(run('vault', 'list', '--json')).length, 1, 'there is no vault before its kit was tested');
    await dialog.getByLabel('The key on').fill(identity);
    await dialog.getByRole('button', { name: 'Test the kit' }).click();
    await dialog.getByLabel('Garden gate').check();
    await keep(page, 'second-vault');
    await accessible(page, 'a second vault');
    await dialog.getByRole('button', { name: 'Save' }).click();
    const garden = page.getByRole('region', { name: 'Garden' });
    await garden.getByText('Garden gate').waitFor();
    const [, made] = JSON.parse(run('vault', 'list', '--json'));
    assert.equal(made.name, 'Garden');
    assert.equal(made.cameras.length, 1);
    await keep(page, 'vaults-two');
    await page.getByRole('row', { name: /^Ada/ }).getByText('own key').waitFor();
    // One passphrase opens both.
    await page.getByRole('button', { name: 'Vault open' }).click();
    await page.getByRole('button', { name: 'Vault locked' }).click();
    await unlock(page, passphrase);
    await until('both to be open', async () => (await page.getByRole('button', { name: 'Unlock', exact: true }).count()) === 0);
  });

  await t.test('two owners: one asks, the other approves, and only then', async () => {
    await to('People');
    await page.getByLabel('Letting the box open a vault').check();
    await page.getByRole('button', { name: 'Save' }).first().click();
    await page.getByText('Saved.').first().waitFor();
    await to('Vaults');
    const ask = async () => {
      await home.getByRole('button', { name: 'Let the box open it' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('I have read this').check();
      await dialog.getByRole('button', { name: 'Let the box open it' }).click();
      return dialog;
    };
    const dialog = await ask();
    await dialog.getByText('A second owner has to agree').waitFor();
    await keep(page, 'approval-asked');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await home.getByText('Sealed from the box').waitFor();

    const bea = await browse(t, { certificate, name, viewport: { width: 390, height: 844 } });
    await bea.goto(`${origin}/people`);
    await bea.getByLabel('Name').fill('Bea');
    await bea.getByLabel('Password', { exact: true }).fill('nine purple harbours 99');
    await bea.getByLabel('Code from').fill(totp(new URL(second.totp_uri).searchParams.get('secret')));
    await bea.getByRole('button', { name: 'Sign in', exact: true }).click();
    await bea.getByText('Let the box open the vault Home').waitFor();
    await keep(bea, 'approval');
    await bea.getByRole('button', { name: 'Approve' }).click();
    await bea.getByText('Waiting for a second owner').waitFor({ state: 'detached' });
    await ask();
    await home.getByText('The box can open it', { exact: true }).waitFor();
    await home.getByRole('button', { name: 'Seal it from the box' }).click();
    await home.getByText('Sealed from the box').waitFor();
    await to('Who saw what');
    await page.getByTestId('sentence').filter({ hasText: /Bea .*Let the box open the vault Home/i }).first().waitFor();
  });

  await t.test('a forgotten passkey opens nothing any more', async () => {
    await page.goto(`${origin}/account`);
    await page.getByRole('button', { name: 'Forget' }).click();
    await page.getByText('neither sign in nor open').waitFor();
    await page.getByRole('button', { name: 'Forget' }).click();
    await until('the passkey to go', async () => (await page.getByText('Laptop').count()) === 0);
    const kinds = await page.evaluate(async () => (await (await fetch('/api/vaults')).json()).flatMap((v) => v.grants.map((g) => g.kind)));
    assert.ok(!kinds.includes('passkey'), `grants are ${kinds}`);
  });

  await t.test('a passkey that derives no keys says so', async () => {
    await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
    await authenticator(false);
    await page.getByRole('button', { name: 'Vault locked' }).click();
    await unlock(page, passphrase);
    await isOpen.waitFor();
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByLabel('Name').fill('Old key');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('Signs in only', { exact: true }).waitFor();
    await page.getByText('cannot derive keys').waitFor();
    await keep(page, 'passkey-plain');
  });

  await t.test('the kit alone opens the recordings on a new device', async () => {
    // Attack case 77 of docs/attacks.md.
    const phone = await browse(t, { certificate, name, viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
    await phone.goto(`${origin}/live`);
    // A recovery code needs no waiting for the next code of the app.
    await phone.getByLabel('Name').fill('Ada');
    await phone.getByLabel('Password', { exact: true }).fill(password);
    await phone.getByRole('button', { name: 'Use a recovery code' }).click();
    await phone.getByLabel('Recovery code').fill(owner.recovery_codes[0]);
    await phone.getByRole('button', { name: 'Sign in', exact: true }).click();
    await phone.getByRole('button', { name: 'Vault locked' }).click();
    const dialog = phone.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Use the recovery kit' }).click();
    await dialog.getByLabel('The key on').fill(owner.vault_identity.replace(/.$/, (c) => (c === 'A' ? 'Q' : 'A')));
    await dialog.getByRole('button', { name: 'Unlock', exact: true }).click();
    await dialog.getByText('not the key of this vault').waitFor();
    await dialog.getByLabel('The key on').fill(owner.vault_identity.toLowerCase());
    await dialog.getByRole('button', { name: 'Unlock', exact: true }).click();
    await dialog.getByText('Choose a new passphrase').waitFor();
    await keep(phone, 'kit-alone');
    await accessible(phone, 'a phone');
    await dialog.getByRole('button', { name: 'Suggest' }).click();
    const chosen = await dialog.getByLabel('Vault passphrase', { exact: true }).inputValue();
    await dialog.getByRole('button', { name: 'Set this passphrase' }).click();
    await phone.getByRole('button', { name: 'Vault open' }).click();
    await phone.getByRole('button', { name: 'Vault locked' }).click();
    await unlock(phone, passphrase);
    await dialog.getByText('does not open the vault').waitFor();
    await unlock(phone, chosen);
    await phone.getByRole('button', { name: 'Vault open' }).waitFor();
    assert.deepEqual(phone.complaints, []);

    // The session of the phone is ended from here, and its keys are gone with it.
    await page.goto(`${origin}/account`);
    await page.getByRole('button', { name: 'Sign out elsewhere' }).click();
    await until('one session', async () => (await page.getByText('from 127.0.0.1, last seen').count()) === 1);
    await phone.reload();
    await phone.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
  });

  assert.deepEqual(page.complaints, []);
});

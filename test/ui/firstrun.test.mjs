// The first minutes of a newcomer, filmed: from the claim link to a moving, recorded picture of a camera that the box found by
// itself. The house is two network namespaces with a cable between them, because nothing is ever found on a loopback interface.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { binary, browse, keep, Program, scratch, totp, until } from './box.mjs';
import { film } from './film.mjs';
import { Newcomer } from './newcomer.mjs';
import { onScreen } from './picture.mjs';

const password = 'amber kettle 77';
const results = join(import.meta.dirname, '../results/ui');

/** Two hosts on one cable; gives what to put before a command that runs on one of them. */
async function house(t) {
  const ip = (...args) => execFileSync('ip', args);
  const hosts = ['box', 'camera'].map((name) => `cardea-${process.pid}-${name}`);
  for (const host of hosts) {
    ip('netns', 'add', host);
    t.after(() => ip('netns', 'del', host));
  }
  ip('-n', hosts[0], 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', hosts[1]);
  for (const [i, host] of hosts.entries()) {
    ip('-n', host, 'addr', 'add', `192.168.77.${i + 1}/24`, 'dev', 'eth0');
    for (const link of ['lo', 'eth0']) ip('-n', host, 'link', 'set', link, 'up');
  }
  // An address of IPv6 that is not settled yet changes the network under the browser, which breaks off what it loads then.
  const tentative = (host) => execFileSync('ip', ['-n', host, '-6', 'addr', 'show', 'tentative'], { encoding: 'utf8' }) !== '';
  await until('settled addresses', () => !hosts.some(tentative));
  return hosts.map((host) => ['nsenter', `--net=/run/netns/${host}`]);
}

test('from the claim link to a recorded picture in three minutes', async (t) => {
  const [here, there] = await house(t);
  const dir = scratch(t, 'nvr');
  const camera = new Program(there, 'camera', '--data', scratch(t, 'camera'), '--listen', '192.168.77.2:8322', '--source', 'test:', '--name', 'Porch');
  t.after(() => camera.stop());
  const box = new Program(here, 'serve', '--data', dir, '--listen', '192.168.77.1:8443');
  t.after(() => box.stop());
  const code = await camera.says(/^Activation code: (\d{4} \d{4})/m);
  const claim = await box.says(/Claim:\s+(https:\S+)/);
  const certificate = execFileSync(here[0], [...here.slice(1), 'curl', '-sk', '--retry', '20', '--retry-connrefused', new URL('/ca.pem', claim).href]);

  // The browser is on the host of the box.
  const executable = join(scratch(t, 'browser'), 'chromium');
  writeFileSync(executable, `#!/bin/sh\nexec ${here.join(' ')} ${process.env.CHROMIUM ?? '/usr/bin/chromium'} "$@"\n`, { mode: 0o755 });
  const page = await browse(t, { certificate, executable, viewport: { width: 1280, height: 800 } });
  const ada = new Newcomer(page);
  const button = (name) => page.getByRole('button', { name, exact: true });

  /** An error is in plain words and says what to do. */
  const helps = async (todo) => {
    const shown = page.getByText(todo).first();
    await shown.waitFor();
    await ada.reads();
    const text = await page.locator('body').innerText();
    assert.doesNotMatch(text, /\bat .+:\d+:\d+|goroutine|panic|undefined|\[object|NaN|Error:|\bnull\b|EOF|errno|dial tcp/, 'an error for programmers');
    t.diagnostic(`error: ${(await shown.innerText()).replace(/\s+/g, ' ')}`);
  };

  const began = Date.now();
  ada.step('welcome');
  await page.goto(claim);
  const cut = await film(page, join(results, 'firstrun'), join(results, 'first-run.webm'));
  await button('Begin').waitFor();
  await ada.reads();
  await ada.click(button('Begin'));

  ada.step('account');
  await button('Continue').waitFor();
  await ada.reads();
  ada.away(5); // thinks of a password
  await ada.type(page.getByLabel('Name'), 'Ada');
  await ada.type(page.getByLabel('Password', { exact: true }), password);
  ada.step('the second password is another one', true);
  await ada.type(page.getByLabel('Password again'), 'amber kettle 7');
  await ada.click(button('Continue'));
  await helps(/The two are not the same/);
  ada.step('account, continued');
  await ada.type(page.getByLabel('Password again'), password);
  await ada.click(button('Continue'));

  ada.step('authenticator');
  const secret = await page.getByTestId('totp-secret').innerText();
  await ada.reads();
  ada.away(10); // takes the phone, opens the app and scans
  const wrong = totp(secret) === '000000' ? '000001' : '000000';
  ada.step('a wrong code', true);
  await ada.type(page.getByLabel('The code that'), wrong);
  await ada.click(button('Check the code'));
  await helps(/That code is not right/);
  ada.step('authenticator, continued');
  await ada.type(page.getByLabel('The code that'), totp(secret));
  await ada.click(button('Check the code'));

  ada.step('recovery codes');
  await page.getByText('If you lose your phone').waitFor();
  await ada.reads();
  const codes = page.waitForEvent('download');
  await ada.click(button('Download'));
  assert.equal((await codes).suggestedFilename(), 'cardea-recovery-codes.txt');
  await ada.click(page.getByLabel('I have kept'));
  await ada.click(button('Continue'));

  ada.step('vault');
  await button('Create the vault').waitFor();
  await ada.reads();
  await ada.click(page.getByRole('button', { name: 'Suggest' }));
  ada.away(10); // writes the passphrase down
  await ada.click(button('Create the vault'));

  ada.step('recovery kit');
  const identity = (await page.getByTestId('identity').innerText()).replace(/\s/g, '');
  await ada.reads();
  const kit = page.waitForEvent('download');
  await ada.click(button('Save as a file'));
  assert.equal((await kit).suggestedFilename(), 'cardea-recovery-kit.txt');
  await ada.click(button('I have saved it'));
  await ada.reads();
  ada.step('half a key', true);
  await ada.paste(page.getByLabel('The key on'), identity.slice(0, 40));
  await ada.click(button('Test the kit'));
  await helps(/There is no whole key/);
  ada.step('recovery kit, continued');
  await ada.paste(page.getByLabel('The key on'), identity);
  await ada.click(button('Test the kit'));

  ada.step('camera');
  await page.getByText('The kit works').waitFor();
  const porch = page.getByRole('button', { name: /^Porch/ });
  await porch.waitFor(); // found on the network, nobody typed where it is
  await ada.reads();
  await keep(page, 'first-run-found');
  ada.step('an address where nothing is', true);
  await ada.click(button('Or type an address'));
  await ada.type(page.getByLabel('Address of the camera'), 'rtsp://192.168.77.2:1/nothing');
  await ada.click(button('Test the camera'));
  await page.getByRole('alert').waitFor();
  await keep(page, 'first-run-unreachable');
  await helps(/check|try|is it|whether/i);

  ada.step('the camera that was found');
  await ada.click(porch);
  await ada.reads();
  assert.equal(await page.getByLabel('Its address').inputValue(), '192.168.77.2:8322');
  ada.away(3); // looks for the code on the camera
  ada.step('a wrong activation code', true);
  await ada.type(page.getByLabel('Activation code'), code === '0000 0000' ? '0000 0001' : '0000 0000');
  await ada.click(button('Pair the camera'));
  await page.getByRole('alert').waitFor();
  await helps(/code .*(check|try|again|read)|(check|try|read) .*code/i);
  ada.step('camera, continued');
  await ada.type(page.getByLabel('Activation code'), code);
  await ada.click(button('Pair the camera'));
  await page.getByText('Porch is paired').waitFor();
  await ada.reads();

  ada.step('a moving picture');
  const numbers = [];
  await until('the picture moves', async () => {
    const picture = await onScreen(page.locator('video'));
    if (picture && picture.number !== numbers.at(-1)) numbers.push(picture.number);
    return numbers.length >= 3;
  });
  assert.ok(numbers[0] < numbers[1] && numbers[1] < numbers[2], `it goes on in time: ${numbers}`);
  await keep(page, 'first-run-live');
  await ada.click(button('Done'));
  await page.waitForURL('**/live');
  await page.locator('[data-testid=tile][data-state=live]').waitFor();
  const clips = () => JSON.parse(execFileSync(binary, ['clips', 'list', '--data', dir, '--json'], { encoding: 'utf8' }));
  const [clip] = await until('a clip with bytes', () => clips().some((c) => c.bytes > 0) && clips());
  const machine = (Date.now() - began) / 1000;

  const { frames, seconds } = await cut();
  const { lines, person, mistakes, ...counts } = ada.report();
  for (const line of lines) t.diagnostic(line);
  t.diagnostic(`on the whole ${counts.words} words, ${counts.clicks} clicks and ${counts.keys} keys: ${person.toFixed(0)} s of a person, ${mistakes.toFixed(0)} s more for the five mistakes`);
  t.diagnostic(`the machine took ${machine.toFixed(1)} s with the mistakes; together ${(person + machine).toFixed(0)} s; the clip has ${clip.bytes} bytes; the film has ${frames} pictures and ${seconds} s`);
  assert.ok(person < 180, `a newcomer takes ${person.toFixed(0)} s`);
  assert.ok(frames > 20 && seconds > 3 && statSync(join(results, 'first-run.webm')).size > 50_000, 'the film shows it');
  assert.deepEqual(page.complaints, []);
});

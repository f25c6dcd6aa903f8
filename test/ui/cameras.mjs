// What the journeys of cameras have in common: a box with an owner, who proves who he is where that is asked, and cameras of others.
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { browse, fetchUnchecked, Program, scratch, setUp, signIn, until } from './box.mjs';

const password = 'seven quiet lanterns 42';
const passphrase = 'lusab-babad-gutih-tugad-mudof';

/** A box with an owner, and the page of its cameras. Options are those of the browser. */
export async function open(t, options = {}) {
  const dir = scratch(t, 'nvr');
  const { secret } = setUp(dir, password, passphrase);
  const box = new Program('serve', '--data', dir, '--listen', '127.0.0.1:0');
  t.after(() => box.stop());
  const origin = await box.says(/(https:\/\/127\.0\.0\.1:\d+)/);
  await until('an answer', () => fetchUnchecked(`${origin}/healthz`).catch(() => undefined));
  const page = await browse(t, { certificate: await fetchUnchecked(`${origin}/ca.pem`), ...options });
  return { page, origin, dir, password, passphrase, secret, enter: () => page.goto(`${origin}/cameras`).then(() => signIn(page, password, secret)) };
}

/** Waits for the end of an act, and proves who sits there where that was long ago. Gives how often that was asked. */
export async function seen(page, result) {
  const proof = page.getByLabel('Your sign-in password');
  let asked = 0;
  await until(`${result}`, async () => {
    if (await proof.isVisible()) {
      asked++;
      await proof.fill(password);
      await page.getByRole('button', { name: 'Confirm' }).click();
      await proof.waitFor({ state: 'hidden' });
    }
    return result.first().isVisible();
  });
  return asked;
}

/** Makes every sign-in an hour old. */
export function later(dir) {
  execFileSync('sqlite3', ['-cmd', '.timeout 20000', join(dir, 'cardea.db'), 'UPDATE session SET verified = verified - 3600000000']);
}

/**
 * Starts cameras from a shop, one for each list of arguments, and gives where their services and streams are. `moved` and `encoded` list what
 * their motors and encoders were told, oldest first.
 */
export async function shop(t, ...all) {
  const program = join(scratch(t, 'shop'), 'shop');
  const source = join(import.meta.dirname, '../..');
  execFileSync('go', ['build', '-tags', 'sqlite_omit_load_extension,netgo,osusergo', '-o', program, './test/onvif/shop'], { cwd: source, stdio: ['ignore', 'ignore', 'inherit'] });
  return Promise.all(
    all.map(async (args) => {
      const camera = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = new Promise((resolve) => camera.on('exit', resolve));
      t.after(() => camera.kill() && ended);
      let said = '';
      camera.stdout.on('data', (text) => (said += text));
      await until('a camera that says where it is', () => /^Sub: .*\n/m.test(said));
      const told = (name) => Array.from(said.matchAll(new RegExp(`^${name}: (.*)\\n`, 'gm')), ([, what]) => what);
      return { ...Object.fromEntries(['Service', 'Encrypted', 'Main', 'Sub'].map((name) => [name.toLowerCase(), told(name)[0]])), moved: () => told('Moved'), encoded: () => told('Encoded') };
    }),
  );
}

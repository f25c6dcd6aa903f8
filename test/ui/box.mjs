// Runs the program, and a browser that trusts its certificate as a person's would: through the browser's own store.
import { chromium } from 'playwright-core';
import { execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const binary = process.env.CARDEA_BINARY ?? join(import.meta.dirname, '../../bin/cardea');
const results = join(import.meta.dirname, '../results/ui');

/** Waits until `check` gives something. Slow machines get the time they need. */
export async function until(what, check, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((r) => setTimeout(r, 200));
  }
}

/** A running program and what it has said so far. Words in a list before its arguments stand before its name. */
export class Program {
  constructor(...args) {
    this.said = '';
    const [command, ...rest] = Array.isArray(args[0]) ? [...args[0], binary, ...args.slice(1)] : [binary, ...args];
    this.process = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (text) => (this.said += text));
    this.exited = new Promise((resolve) => this.process.on('exit', resolve));
  }

  /** The first group of the first match in what it said. */
  async says(pattern) {
    return until(`output like ${pattern}`, () => {
      if (this.process.exitCode !== null) throw new Error(`the program has ended:\n${this.said}`);
      return pattern.exec(this.said)?.[1];
    });
  }

  async stop() {
    this.process.kill('SIGTERM');
    await this.exited;
  }
}

/** A scratch directory that is gone after the test. */
export function scratch(t, name) {
  const dir = mkdtempSync(join(tmpdir(), `cardea-${name}-`));
  t.after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}

/** The bytes of an address, whoever signed for it. Only for the certificate itself, which is compared afterwards. */
export function fetchUnchecked(url) {
  return new Promise((resolve, reject) => {
    const get = request(url, { rejectUnauthorized: false }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve(Buffer.concat(parts)));
    });
    get.on('error', reject);
    get.end();
  });
}

/** Starts Chromium with a home of its own, the certificate in its store where one is given, and a name for 127.0.0.1. */
export async function browse(t, { certificate, name, executable = process.env.CHROMIUM ?? '/usr/bin/chromium', args = [], ...context } = {}) {
  const home = scratch(t, 'home');
  if (certificate) {
    const store = join(home, '.pki/nssdb');
    mkdirSync(store, { recursive: true });
    const file = join(home, 'ca.pem');
    writeFileSync(file, certificate);
    execFileSync('certutil', ['-N', '-d', `sql:${store}`, '--empty-password']);
    execFileSync('certutil', ['-A', '-d', `sql:${store}`, '-n', 'cardea', '-t', 'C,,', '-i', file]);
  }
  const browser = await chromium.launch({
    executablePath: executable,
    env: { ...process.env, HOME: home },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...(name ? [`--host-resolver-rules=MAP ${name} 127.0.0.1`] : []), ...args],
  });
  t.after(() => browser.close());
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', ...context })).newPage();
  page.setDefaultTimeout(60_000);
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(error.message));
  page.on('console', (message) => {
    // What the policy refuses shows up here. An answer of 401 does too, and is part of a journey.
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) page.complaints.push(message.text());
  });
  return page;
}

/** Keeps a picture of the page for people to look at. */
export async function keep(page, name) {
  mkdirSync(results, { recursive: true });
  await page.screenshot({ path: join(results, `${name}.png`) });
}

/** RFC 6238 with SHA-1, 6 digits and 30 s, for a secret in base 32. */
export function totp(secret, now = Date.now()) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  let bits = '';
  for (const c of secret.replace(/[\s=]/g, '')) bits += alphabet.indexOf(c).toString(2).padStart(5, '0');
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** Waits until a lane of the timeline shows so many pieces of recordings. */
export async function recordings(lane, pieces = 1) {
  await lane.waitFor();
  await until('recordings on the lane', async () => Number(await lane.getAttribute('data-spans')) >= pieces, 90);
}

/** All files below a directory with their bytes; one that goes away meanwhile is left out. */
export function* files(dir) {
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    try {
      if (statSync(path).isFile()) yield [path, readFileSync(path)];
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
}

/** What `cardea setup` gives: an owner with a vault, without a browser. */
export function setUp(dir, password, passphrase) {
  const secrets = mkdtempSync(join(tmpdir(), 'cardea-secrets-'));
  try {
    writeFileSync(join(secrets, 'password'), password);
    writeFileSync(join(secrets, 'passphrase'), passphrase);
    const args = ['setup', '--data', dir, '--owner', 'Ada', '--password-file', join(secrets, 'password'), '--vault-passphrase-file', join(secrets, 'passphrase')];
    const made = JSON.parse(execFileSync(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
    return { ...made, secret: new URL(made.totp_uri).searchParams.get('secret') };
  } finally {
    rmSync(secrets, { recursive: true });
  }
}

/** Signs Ada in. A code counts once, so a second sign-in may have to wait for the next one. */
export async function signIn(page, password, secret) {
  await page.getByLabel('Name').fill('Ada');
  await page.getByLabel('Password', { exact: true }).fill(password);
  for (;;) {
    await page.getByLabel('Code from').fill(totp(secret));
    await page.getByRole('button', { name: 'Sign in' }).click();
    const result = await until('an answer to the sign-in', async () => {
      if (await page.getByRole('navigation').count()) return 'in';
      if (await page.getByRole('alert').count()) return 'refused';
    });
    if (result === 'in') return;
    await new Promise((r) => setTimeout(r, 31_000 - (Date.now() % 30_000)));
  }
}

// Chromium for scenarios, with what they all watch: that nothing is asked of another host, and that no page
// makes the browser complain.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

// npm's modules are those of tools/.
export const require = createRequire(new URL('../../../../tools/package.json', import.meta.url));
const { chromium } = require('playwright-core');

export const origin = process.argv[3];

// hosts are those at which something may be asked: the server, by either of its names, and the provider of
// single sign-on if there is one.
const hosts = process.argv.slice(3).map((at) => new URL(at).host);
hosts.push(hosts[0].replace('localhost', '127.0.0.1'));

// complaints are what browsers complained of in any page.
export const complaints = [];

let browser;

export async function start() {
  const executablePath = execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim();
  browser = await chromium.launch({ executablePath, args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
}

export const close = () => browser.close();

// visit opens a browser of its own, with an authenticator, and returns a page. Options are a context's.
export async function visit(options = {}) {
  const context = await browser.newContext({ locale: 'nl-BE', timezoneId: 'Europe/Brussels', ...options });
  const page = await context.newPage();
  watch(page);
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  page.authenticator = new Authenticator(devtools);
  await page.authenticator.plug();
  return page;
}

// watch notes what the browser complains of, and pages to whose policy it could not hold them. That a call was refused, which it writes to the console as well,
// is for the scenario to judge.
function watch(page) {
  page.on('console', (message) => {
    const refused = message.text().startsWith('Failed to load resource') && new URL(message.location().url).pathname.startsWith('/v1/');
    if (['error', 'warning'].includes(message.type()) && !refused) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('response', (response) => {
    const policy = response.headers()['content-security-policy'] ?? '';
    const page = response.request().isNavigationRequest() && response.status() === 200;
    if (page && !policy.includes("script-src 'self'")) complaints.push(`no policy at ${response.url()}`);
  });
  page.on('request', (request) => {
    if (!hosts.includes(new URL(request.url()).host)) complaints.push(`a request to ${request.url()}`);
  });
}

// Authenticator is one that is built into the device, as DevTools makes it.
class Authenticator {
  constructor(devtools) {
    this.devtools = devtools;
  }

  // plug puts another one in the place of the one before.
  async plug() {
    if (this.id) await this.devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: this.id });
    ({ authenticatorId: this.id } = await this.devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    }));
  }

  // recognise says whether it recognises who is in front of it.
  recognise(isUserVerified) {
    return this.devtools.send('WebAuthn.setUserVerified', { authenticatorId: this.id, isUserVerified });
  }

  // passkeys are those on it, with their private keys.
  async passkeys() {
    return (await this.devtools.send('WebAuthn.getCredentials', { authenticatorId: this.id })).credentials;
  }

  hold(credential) {
    return this.devtools.send('WebAuthn.addCredential', { authenticatorId: this.id, credential });
  }
}

// The test that plays the scenario answers each line with a line.
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
  const { value } = await answers.next();
  return JSON.parse(value);
}

// invite returns the link of an invitation for a member, and inviteDevice of one for a device.
export const invite = (role = 'COORDINATOR', centre = '') => ask({ Role: role, Centre: centre });
export const inviteDevice = (centre) => ask({ Centre: centre });

// pass lets time go by, for the server.
export const pass = (minutes) => ask({ Minutes: minutes });

// enrol enrols a member by a fresh invitation and waits for the account.
export async function enrol(page, role, centre) {
  await page.goto(await invite(role, centre));
  await page.getByRole('button', { name: 'Passkey maken' }).click();
  await onAccount(page);
}

// signIn signs in at the page that is open, and waits for the account.
export async function signIn(page) {
  await passkeyButton(page).click();
  await onAccount(page);
}

export const passkeyButton = (page) => page.getByRole('button', { name: 'Aanmelden met passkey' });

export async function onAccount(page) {
  await page.waitForURL('**/account');
  await page.locator('#sessions').waitFor();
}

// alerted waits for an alert that says something, and returns it.
export async function alerted(page) {
  const alert = page.locator('[role=alert]:not(:empty)');
  await alert.waitFor();
  return alert.textContent();
}

// fetched does a call in the page, as a script of the page would, and returns its status and reason.
export const fetched = (page, method, path, body) => page.evaluate(async ([method, path, body]) => {
  const answer = await fetch(path, { method, body, headers: body ? { 'Content-Type': 'application/json' } : {} });
  const { details } = await answer.json();
  return { status: answer.status, reason: details?.find((detail) => detail.reason)?.reason };
}, [method, path, body]);

// look takes a picture, when somebody wants to see them, into the folder that AANKOMST_SCREENSHOTS names.
export async function look(page, name) {
  const folder = process.env.AANKOMST_SCREENSHOTS;
  if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

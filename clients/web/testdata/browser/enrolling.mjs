// Scenarios of invitations.

import assert from 'node:assert/strict';

import { alerted, enrol, fetched, invite, inviteDevice, look, onAccount, signIn, visit } from './browser.mjs';

export async function once() {
  const page = await visit();
  const link = await invite('INTAKE', 'cgg-a');
  await page.goto(link);
  await page.locator('#member').waitFor();
  assert.equal(await page.locator('#label').textContent(), 'Plaats aan het onthaal');
  assert.equal(await page.locator('#role').textContent(), 'intakemedewerker');
  assert.equal(await page.locator('#centre').textContent(), 'cgg-a');
  await page.getByLabel('Naam van de passkey').fill('laptop van het onthaal');
  await page.getByRole('button', { name: 'Passkey maken' }).click();
  await onAccount(page);
  assert.match(await page.locator('#passkeys-list').textContent(), /laptop van het onthaal/);
  assert.match(await page.locator('#until').textContent(), /^tot 4 mei 2026 om 14:00$/);
  assert.equal(await page.locator('#centre').textContent(), 'cgg-a');

  const other = await visit();
  await other.goto(link);
  assert.match(await alerted(other), /al gebruikt, vervangen of ouder dan 48 uur\. Vraag de beheerder/);
  assert.equal(await other.locator('#member').isVisible(), false);
  assert.equal((await fetched(other, 'GET', '/v1/me')).reason, 'NOT_SIGNED_IN');
}

export async function address() {
  const page = await visit();
  const link = await invite();
  await page.goto(link);
  await page.locator('#member').waitFor();
  assert.equal(new URL(page.url()).hash, '');
  const secret = new URL(link).hash.slice(1);
  assert.ok(secret.length > 40);
  assert.equal((await page.content()).includes(secret), false);
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state]));
  assert.equal(kept.includes(secret), false);

  // Loaded again the page has no invitation any more; the link opens it anew where it stands.
  await page.reload();
  assert.match(await alerted(page), /Open de link die u kreeg opnieuw/);
  await look(page, 'enrol-none');
  await page.evaluate((hash) => { location.hash = hash; }, secret);
  await page.getByRole('button', { name: 'Passkey maken' }).click();
  await onAccount(page);
}

export async function name() {
  const page = await visit();
  await page.goto(await invite());
  const field = page.getByLabel('Naam van de passkey');
  await field.fill('  ');
  await page.getByRole('button', { name: 'Passkey maken' }).click();
  assert.equal(await alerted(page), 'Geef de passkey een naam.');
  assert.equal(await field.getAttribute('aria-invalid'), 'true');
  assert.ok(await field.evaluate((element) => document.activeElement === element));
  assert.deepEqual(await page.authenticator.passkeys(), []);
  await field.fill('sleutel');
  await field.press('Enter');
  await onAccount(page);
}

export async function device() {
  const page = await visit();
  await page.goto(await inviteDevice('cgg-b'));
  await page.locator('#device').waitFor();
  assert.equal(await page.locator('#label').textContent(), 'Balie 1');
  assert.equal(await page.locator('#centre').textContent(), 'cgg-b');
  await page.getByRole('button', { name: 'Dit toestel inschrijven' }).click();
  await page.waitForURL('**/account');
  await page.getByRole('heading', { name: 'Dit toestel' }).waitFor();
  assert.match(await page.locator('#device-lead').textContent(), /om aankomsten te bevestigen, en voor niets anders/);
  assert.equal(await page.locator('#centre').textContent(), 'cgg-b');
  assert.match(await page.locator('#until').textContent(), /^tot \d+ mei 2027 om 00:00$/);
  assert.equal(await page.locator('#passkeys').isVisible(), false);
  assert.equal((await fetched(page, 'GET', '/v1/centres')).reason, 'DEVICE_NOT_ALLOWED');

  // Where it signs in, it is told what it is; a member may sign in there all the same.
  await page.getByRole('link', { name: 'Aanmelden met een passkey' }).click();
  await page.getByText('Deze browser is een toestel van cgg-b').waitFor();
  await enrol(page);
  assert.equal(await page.getByRole('heading', { level: 1 }).textContent(), 'Uw account');
}

export async function byHand() {
  const page = await visit();
  await page.addInitScript(() => {
    delete PublicKeyCredential.parseCreationOptionsFromJSON;
    delete PublicKeyCredential.parseRequestOptionsFromJSON;
    delete PublicKeyCredential.prototype.toJSON;
  });
  await enrol(page);
  await page.getByRole('button', { name: 'Hier afmelden' }).click();
  await page.waitForURL('**/sign-in');
  await signIn(page);
}

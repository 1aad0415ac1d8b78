// Scenarios of the account.

import assert from 'node:assert/strict';

import { alerted, enrol, fetched, look, onAccount, origin, pass, passkeyButton, signIn, visit } from './browser.mjs';

export async function replacePasskey() {
  const page = await visit();
  await enrol(page);
  const [first] = await page.authenticator.passkeys();
  await page.getByRole('button', { name: 'Hier afmelden' }).click();
  await page.waitForURL('**/sign-in');
  await signIn(page);
  await pass(31);

  // The device on which there is a passkey already is no place for a second.
  const name = page.getByLabel('Naam van de passkey');
  const add = page.getByRole('button', { name: 'Passkey toevoegen' });
  const dialog = page.getByRole('dialog', { name: 'Toon opnieuw dat u het bent' });
  await name.fill('sleutel in de kluis');
  await add.click();
  await dialog.waitFor();
  await look(page, 'account-proof');
  await dialog.getByRole('button', { name: 'Met passkey' }).click();
  assert.match(await alerted(page), /hebt u al een passkey voor dit account/);

  await page.authenticator.plug();
  await add.click(); // the proof is a fresh one still
  await page.getByText('‘sleutel in de kluis’ is toegevoegd.').waitFor();
  assert.equal(await page.locator('#passkeys-list li').count(), 2);
  await look(page, 'account-two');

  // Asked again after a while, somebody may think better of it.
  await pass(31);
  const remove = page.getByRole('button', { name: 'Verwijderen: Passkey op Linux' });
  const removal = page.getByRole('dialog', { name: '‘Passkey op Linux’ verwijderen?' });
  await remove.click();
  await removal.waitFor();
  assert.equal(await page.locator('#removal-last').isVisible(), false);
  await removal.getByRole('button', { name: 'Annuleren' }).click();
  await remove.click();
  await removal.getByRole('button', { name: 'Verwijderen' }).click();
  await dialog.getByRole('button', { name: 'Annuleren' }).click();
  assert.equal(await page.locator('#passkeys-list li').count(), 2);
  await remove.click();
  await removal.getByRole('button', { name: 'Verwijderen' }).click();
  await dialog.getByRole('button', { name: 'Met passkey' }).click();
  await page.getByText('‘Passkey op Linux’ is verwijderd.').waitFor();
  assert.equal(await page.locator('#passkeys-list li').count(), 1);

  // The second lets its member in, and the first nobody.
  await page.getByRole('button', { name: 'Hier afmelden' }).click();
  await page.waitForURL('**/sign-in');
  await signIn(page);
  const other = await visit();
  await other.authenticator.hold({ ...first, signCount: 100 });
  await other.goto(`${origin}/sign-in`);
  await passkeyButton(other).click();
  assert.match(await alerted(other), /^Dit is niet aanvaard/);
}

export async function lastAdministrator() {
  const page = await visit();
  await enrol(page, 'ADMINISTRATOR');
  await page.getByRole('button', { name: /^Verwijderen:/ }).click();
  await page.getByText('Het is uw laatste passkey').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Verwijderen' }).click();
  assert.match(await alerted(page), /geen enkele beheerder.*Voeg eerst een andere passkey toe/);
  await page.reload();
  await onAccount(page);
  assert.equal(await page.locator('#passkeys-list li').count(), 1);
}

export async function everywhere() {
  const here = await visit();
  await enrol(here);
  const there = await visit();
  const [passkey] = await here.authenticator.passkeys();
  await there.authenticator.hold(passkey);
  await there.goto(`${origin}/sign-in`);
  await signIn(there);
  assert.equal(await there.locator('#sessions-count').textContent(), 'U bent op 2 plaatsen aangemeld, deze inbegrepen.');

  await here.getByRole('button', { name: 'Overal afmelden' }).click();
  await here.getByText('U bent overal afgemeld.').waitFor();
  await there.getByRole('button', { name: 'Passkey toevoegen' }).click();
  await there.getByText('U bent niet meer aangemeld. Meld u opnieuw aan.').waitFor();
  assert.equal(there.url(), `${origin}/sign-in`);
  assert.equal((await fetched(there, 'GET', '/v1/me')).status, 401);
}

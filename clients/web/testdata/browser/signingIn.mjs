// Scenarios of signing in.

import assert from 'node:assert/strict';

import { alerted, enrol, fetched, look, onAccount, origin, passkeyButton, signIn, visit } from './browser.mjs';

// enrolled returns a page at which a member who has a passkey could sign in.
async function enrolled() {
  const page = await visit();
  await enrol(page);
  await page.getByRole('button', { name: 'Hier afmelden' }).click();
  await page.waitForURL('**/sign-in');
  await page.getByText('U bent hier afgemeld.').waitFor();
  return page;
}

const reasonOfMe = async (page) => (await fetched(page, 'GET', '/v1/me')).reason;

export async function again() {
  const page = await enrolled();
  assert.equal(await reasonOfMe(page), 'NOT_SIGNED_IN');
  await page.goto(`${origin}/account`);
  await page.waitForURL('**/sign-in');
  await page.getByText('U bent niet meer aangemeld').waitFor();
  await signIn(page);
  assert.equal(await page.locator('#sessions-count').textContent(), 'U bent alleen hier aangemeld.');
  await page.goto(`${origin}/`);
  await onAccount(page); // whoever is signed in already need not sign in
}

export async function unverified() {
  const page = await enrolled();
  await page.authenticator.recognise(false);
  await passkeyButton(page).click();
  assert.match(await alerted(page), /of u werd niet herkend/);
  assert.equal(await reasonOfMe(page), 'NOT_SIGNED_IN');

  // A page that did not ask to be sure who it is gets nowhere with what it is given.
  await page.route('**/v1/signIns:begin', async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    answer.options = JSON.stringify({ ...JSON.parse(answer.options), userVerification: 'discouraged' });
    await route.fulfill({ response, json: answer });
  });
  await page.reload();
  await passkeyButton(page).click();
  assert.match(await alerted(page), /^Dit is niet aanvaard/);
  assert.equal(await reasonOfMe(page), 'NOT_SIGNED_IN');
}

export async function replayed() {
  const page = await enrolled();
  const sent = page.waitForRequest('**/v1/signIns:finish');
  await signIn(page);
  const body = (await sent).postData();
  await page.getByRole('button', { name: 'Overal afmelden' }).click();
  await page.getByText('U bent overal afgemeld.').waitFor();
  assert.deepEqual(await fetched(page, 'POST', '/v1/signIns:finish', body), { status: 401, reason: 'PROOF_NOT_ACCEPTED' });

  // Nor is an earlier proof the answer to another question.
  const asked = await page.evaluate(async () =>
    (await fetch('/v1/signIns:begin', { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } })).json());
  const stale = JSON.stringify({ ...JSON.parse(body), ceremony: asked.ceremony });
  assert.deepEqual(await fetched(page, 'POST', '/v1/signIns:finish', stale), { status: 401, reason: 'PROOF_NOT_ACCEPTED' });
  assert.equal(await reasonOfMe(page), 'NOT_SIGNED_IN');
}

export async function forged() {
  const page = await enrolled();
  await page.route('**/v1/signIns:finish', (route) => {
    const body = route.request().postDataJSON();
    const credential = JSON.parse(body.credential);
    const signature = Buffer.from(credential.response.signature, 'base64url');
    signature[signature.length - 1] ^= 1;
    credential.response.signature = signature.toString('base64url');
    return route.continue({ postData: JSON.stringify({ ...body, credential: JSON.stringify(credential) }) });
  });
  await passkeyButton(page).click();
  assert.match(await alerted(page), /^Dit is niet aanvaard/);
  await look(page, 'sign-in-refused');
  assert.equal(await reasonOfMe(page), 'NOT_SIGNED_IN');

  // It was the signature.
  await page.unroute('**/v1/signIns:finish');
  await signIn(page);
}

export async function cloned() {
  const page = await enrolled();
  const [passkey] = await page.authenticator.passkeys();
  await signIn(page);
  await page.getByRole('button', { name: 'Hier afmelden' }).click();
  await page.getByText('U bent hier afgemeld.').waitFor();

  const thief = await visit();
  await thief.authenticator.hold({ ...passkey, signCount: 0 });
  await thief.goto(`${origin}/sign-in`);
  await passkeyButton(thief).click();
  assert.match(await alerted(thief), /lijkt er een kopie te bestaan.*Vertel het de beheerder/);
  assert.equal(await reasonOfMe(thief), 'NOT_SIGNED_IN');

  // From then on the passkey itself is accepted no more: nobody can tell which of the two is the copy.
  await passkeyButton(page).click();
  assert.match(await alerted(page), /lijkt er een kopie te bestaan/);
  assert.equal(await reasonOfMe(page), 'NOT_SIGNED_IN');
}

export async function otherOrigin() {
  const page = await enrolled();
  const elsewhere = origin.replace('localhost', '127.0.0.1');
  assert.notEqual(elsewhere, origin);
  await page.goto(`${elsewhere}/sign-in`);
  await passkeyButton(page).click();
  assert.match(await alerted(page), /op een ander adres dan dat waar u zich aanmeldt/);
  assert.equal(await reasonOfMe(page), 'NOT_SIGNED_IN');
  assert.deepEqual(await page.context().cookies(), []);
}

export async function tooMany() {
  const page = await enrolled();
  let reason;
  for (let attempts = 0; attempts < 25 && reason !== 'TOO_MANY_ATTEMPTS'; attempts++) {
    ({ reason } = await fetched(page, 'POST', '/v1/signIns:finish', '{"ceremony":"guess","credential":"{}"}'));
  }
  assert.equal(reason, 'TOO_MANY_ATTEMPTS');
  const guess = { postData: '{"ceremony":"guess","credential":"{}"}' };
  await page.route('**/v1/signIns:finish', (route) => route.continue(guess));
  await passkeyButton(page).click();
  assert.match(await alerted(page), /^Er is te vaak geprobeerd\. Probeer het over \d+ minu/);

  // Whoever is right comes in whatever others got wrong.
  await page.unroute('**/v1/signIns:finish');
  await passkeyButton(page).click();
  await onAccount(page);
}

export async function offline() {
  const page = await enrolled();
  await signIn(page);
  await page.route('**/v1/me:signOut', (route) => route.abort());
  await page.getByRole('button', { name: 'Hier afmelden' }).click();
  assert.match(await alerted(page), /^De server antwoordt niet/);
  await page.unroute('**/v1/me:signOut');
  await page.getByRole('button', { name: 'Hier afmelden' }).click();
  await page.getByText('U bent hier afgemeld.').waitFor();
}

export async function singleSignOn() {
  const page = await visit();
  const button = page.getByRole('button', { name: 'Aanmelden via uw organisatie' });
  await page.goto(`${origin}/sign-in`);
  await look(page, 'sign-in-sso');
  await button.click();
  await onAccount(page);
  assert.equal(await page.locator('#role').textContent(), 'coördinator');
  await page.getByText('U meldt zich aan via uw organisatie.').waitFor();
  assert.equal(await page.locator('#passkeys').isVisible(), false);
  await look(page, 'account-sso');
  await page.getByRole('button', { name: 'Hier afmelden' }).click();
  await page.getByText('U bent hier afgemeld.').waitFor();

  // The next whom the provider lets in has no place here. What it sent is in no address, and is used up.
  const sent = page.waitForRequest('**/v1/signIns:finishSingleSignOn');
  await button.click();
  assert.match(await alerted(page), /^Uw organisatie kent u hier geen account toe/);
  assert.equal(page.url(), `${origin}/sign-in`);
  await page.reload();
  await button.waitFor();
  assert.equal(page.url(), `${origin}/sign-in`);
  assert.equal((await fetched(page, 'POST', '/v1/signIns:finishSingleSignOn', (await sent).postData())).reason, 'PROOF_NOT_ACCEPTED');

  await page.goto(`${origin}/sign-in/callback?error=access_denied&state=any`);
  assert.match(await alerted(page), /het werd afgebroken/);
  assert.equal(page.url(), `${origin}/sign-in`);
}

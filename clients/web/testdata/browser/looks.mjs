// Scenarios of how pages look, read and are used, whatever is done there.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { alerted, enrol, invite, inviteDevice, look, onAccount, origin, pass, require, visit } from './browser.mjs';

const assets = fileURLToPath(new URL('../../pages/assets', import.meta.url));
const languages = ['nl', 'fr', 'en', 'de'];

export async function words() {
  const all = {};
  for (const language of languages) {
    const source = await readFile(path.join(assets, `words-${language}.js`), 'utf8');
    all[language] = (await import(`data:text/javascript,${encodeURIComponent(source)}`)).default;
  }
  const placeholders = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const language of languages) {
    assert.deepEqual(Object.keys(all[language]), Object.keys(all.nl), language);
    for (const [key, text] of Object.entries(all[language])) {
      assert.notEqual(text.trim(), '', `${language} ${key}`);
      assert.deepEqual(placeholders(text), placeholders(all.nl[key]), `${language} ${key}`);
    }
  }
  // What scripts and pages name is there, whether or not another scenario comes to show it.
  for (const folder of [assets, path.dirname(assets)]) {
    for (const file of (await readdir(folder)).filter((name) => /\.(html|js)$/.test(name) && !name.startsWith('words-'))) {
      const source = await readFile(path.join(folder, file), 'utf8');
      const named = source.matchAll(/data-(?:word|label)="([^"]+)"|'([a-zA-Z]+\.[a-zA-Z]+)'|Problem\('(\w+)'|: '([A-Z_]{4,})'/g);
      for (const key of [...named].map((match) => match.slice(1).find(Boolean)).filter((key) => !key.endsWith('.js'))) {
        assert.ok(key in all.nl || ['DEVICE', 'SEAT'].includes(key), `${file} says ${key}`);
      }
    }
  }
}

// each shows every page, and what opens in it, in one browser.
async function each(options, shown) {
  const page = await visit(options);
  await page.goto(`${origin}/sign-in`);
  await page.locator('#passkey:focus').waitFor();
  await page.waitForLoadState('networkidle');
  await shown(page, 'sign-in');
  await page.goto(`${origin}/enrol`);
  await alerted(page);
  await shown(page, 'enrol-none');
  await page.goto(await inviteDevice('cgg-a'));
  await page.locator('#enrol-device').waitFor();
  await shown(page, 'enrol-device');
  await page.locator('#enrol-device').click();
  await page.locator('#device-lead').waitFor();
  await shown(page, 'account-device');
  await page.goto(await invite('INTAKE', 'cgg-a'));
  await page.locator('#member').waitFor();
  await shown(page, 'enrol-member');
  await page.locator('#member button').click();
  await onAccount(page);
  await shown(page, 'account');
  await page.locator('#passkeys-list button').click();
  await page.locator('#removal').waitFor();
  await shown(page, 'account-removal');
  await page.keyboard.press('Escape');
  for (let times = 0; times < 2; times++) { // in one go, the member would have been idle for too long
    await pass(16);
    await page.reload();
    await onAccount(page);
  }
  await page.locator('#add button').click();
  await page.locator('#proof').waitFor();
  await shown(page, 'account-proof');
  await page.keyboard.press('Escape');
  await page.locator('#name').fill('');
  await page.locator('#add button').click();
  await alerted(page);
  await shown(page, 'account-problem');
  await page.context().close();
}

export async function languagesShown() {
  for (const [locale, language] of [['nl-BE', 'nl'], ['fr-BE', 'fr'], ['en-GB', 'en'], ['de-DE', 'de'], ['es-ES', 'nl']]) {
    await each({ locale }, async (page, name) => {
      assert.equal(await page.locator('html').getAttribute('lang'), language);
      const unsaid = await page.locator('[data-word]').evaluateAll((elements) =>
        elements.filter((element) => !element.textContent.trim() || element.textContent === element.dataset.word || /[{}]|undefined/.test(element.textContent))
          .map((element) => element.dataset.word));
      assert.deepEqual(unsaid, [], `${name} in ${language}`);
      await look(page, `${name}-${language}`);
    });
  }

  const page = await visit({ locale: 'en-GB' });
  await page.goto(`${origin}/sign-in`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.getByRole('button', { name: 'Deutsch' }).click();
  await page.getByRole('heading', { name: 'Anmelden' }).waitFor();
  assert.equal(await page.title(), 'Anmelden – aankomst');
  await page.goto(`${origin}/enrol`);
  assert.match(await alerted(page), /^Es ist keine Einladung zu lesen/);
  assert.equal(await page.locator('html').getAttribute('lang'), 'de');
  await page.getByRole('button', { name: 'Français' }).click();
  assert.match(await alerted(page), /^Il n'y a pas d'invitation/); // what was said already follows too
  assert.deepEqual(await page.evaluate(() => ({ ...localStorage })), { language: 'fr' });
}

export async function keyboard() {
  const page = await visit();
  const focused = (selector) => page.locator(`${selector}:focus`).waitFor();
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };

  // The next key belongs to the name, and then to the button.
  await page.goto(await invite());
  await focused('#name');
  await page.keyboard.type('toetsenbord');
  await press('Enter');
  await onAccount(page);
  assert.match(await page.locator('#passkeys-list').textContent(), /^toetsenbord/);

  // Tab comes by everything, in the order in which it is read.
  const order = await page.evaluate(() => [...document.querySelectorAll('button, input, a[href]')]
    .filter((element) => element.checkVisibility()).map((element) => element.textContent || element.id));
  const met = [];
  while (met.length < order.length) {
    await press('Tab');
    met.push(await page.evaluate(() => document.activeElement.textContent || document.activeElement.id));
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none', met.at(-1));
  }
  assert.deepEqual(met, order);

  // A dialog takes the focus and gives it back.
  await page.locator('#passkeys-list button').focus();
  await press('Enter');
  await focused('#removal button');
  await press('Escape');
  await focused('#passkeys-list button');
  await press('Enter');
  await focused('#removal button');
  await press('Enter');
  await page.getByText('‘toetsenbord’ is verwijderd.').waitFor();
  await focused('#passkeys-heading');
  assert.match(await page.locator('#passkeys-none').textContent(), /nog geen passkey/);

  await page.authenticator.plug();
  await press('Tab');
  await focused('#name');
  await press('Enter');
  await page.getByText('‘Passkey op Linux’ is toegevoegd.').waitFor();
  await page.locator('#here').focus();
  await press('Enter');
  await page.waitForURL('**/sign-in');
  await focused('#passkey');
  await press('Enter');
  await onAccount(page);
}

export async function accessible() {
  const { source } = require('axe-core');
  for (const colorScheme of ['light', 'dark']) {
    const grounds = new Set();
    await each({ colorScheme }, async (page, name) => {
      grounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      await page.evaluate(source);
      const { violations, passes } = await page.evaluate(() => axe.run());
      assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), [], `${name} in ${colorScheme}`);
      assert.ok(passes.some(({ id }) => id === 'color-contrast'), `${name} in ${colorScheme}`);
      await look(page, `${name}-${colorScheme}`);
    });
    assert.equal(grounds.size, 1);
    assert.equal(grounds.has('rgb(255, 255, 255)'), colorScheme === 'light');
  }
}

// narrow is a window of 640 pixels at twice the size, and a telephone.
export async function narrow() {
  for (const width of [320, 640]) {
    for (const locale of ['fr-BE', 'de-BE']) {
      await each({ locale, viewport: { width, height: 600 } }, async (page, name) => {
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(overflow <= 0, `${name} in ${locale} at ${width} is ${overflow} too wide`);
        await look(page, `${name}-${locale}-${width}`);
      });
    }
  }
}

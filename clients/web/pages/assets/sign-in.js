// The page at which members sign in, with a passkey or by single sign-on.

import { Problem, call, post } from './api.js';
import { at, attempt, parts, tell } from './page.js';
import { prove } from './passkeys.js';
import { say } from './words.js';

// What the server asks is accepted for a quarter of an hour at least.
const askedFor = 10 * 60 * 1000;

let asked;
let askedAt;

async function ask() {
  if (!asked || Date.now() - askedAt > askedFor) {
    asked = await post('/v1/signIns:begin');
    askedAt = Date.now();
    at('sso').hidden = !asked.singleSignOn;
  }
  return asked;
}

at('passkey').addEventListener('click', () => attempt(at('passkey'), at('outcome'), async () => {
  const { ceremony, options } = await ask();
  const credential = await prove(options);
  asked = undefined; // it is accepted once
  await post('/v1/signIns:finish', { ceremony, credential });
  location.replace('/account');
}));

at('sso').addEventListener('click', () => attempt(at('sso'), at('outcome'), async () => {
  const { url } = await post('/v1/signIns:beginSingleSignOn');
  location.assign(url);
}));

// comeBack signs in with what the provider of single sign-on sent the browser back with. It is taken out of
// the address, and so of the history, at once.
function comeBack() {
  const given = new URLSearchParams(location.search);
  history.replaceState(null, '', '/sign-in');
  return attempt(at('sso'), at('outcome'), async () => {
    if (!given.get('code')) throw new Problem('CANCELLED'); // there, by the person or by the provider
    await post('/v1/signIns:finishSingleSignOn', { code: given.get('code'), state: given.get('state') ?? '' });
    location.replace('/account');
    return true;
  });
}

// greet tells why the person is here, and whether this browser is known already.
async function greet() {
  const why = { '#ended': 'signIn.ended', '#out': 'signIn.out', '#everywhere': 'signIn.outEverywhere' }[location.hash];
  history.replaceState(null, '', location.pathname);
  if (why) say(status, why);
  const me = await call('GET', '/v1/me').catch(() => ({}));
  if (me.kind === 'SEAT') location.replace('/account');
  if (me.kind !== 'DEVICE') return;
  say(at('device-text'), 'signIn.device', { centre: me.centre });
  at('device').hidden = false;
}

const [status, alert] = parts(at('outcome'));
at('passkey').focus();
if (location.pathname !== '/sign-in/callback' || !await comeBack()) {
  await greet();
  await ask().catch((problem) => tell(alert, problem));
}

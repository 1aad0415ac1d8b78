// The page at which members look after their account, and a device says what it is.

import { call, post } from './api.js';
import { at, attempt, named, parts, suggestName } from './page.js';
import { make, prove } from './passkeys.js';
import { day, moment, say, wait } from './words.js';

let me;

// show shows who the server says this is.
function show(answer) {
  me = answer;
  const seat = me.kind === 'SEAT';
  say(at('heading'), seat ? 'account.heading' : 'device.heading');
  say(at('label-term'), seat ? 'account.label' : 'device.label');
  at('label').textContent = me.label;
  say(at('role'), seat ? `role.${me.role}` : 'role.device');
  at('centre').textContent = me.centre;
  at('centre-row').hidden = !me.centre;
  at('until-row').hidden = !me.endsAt;
  if (me.endsAt) {
    say(at('until-term'), seat ? 'account.until' : 'device.until');
    say(at('until'), 'until', { when: moment(me.endsAt) });
  }
  at('who').hidden = false;
  for (const part of ['device-lead', 'device-sign-in']) at(part).hidden = seat;
  at('sso').hidden = !me.singleSignOn;
  at('passkeys').hidden = !seat || me.singleSignOn; // who comes in by single sign-on has none
  at('sessions').hidden = !seat;
  if (!seat) return;
  say(at('sessions-count'), me.sessions > 1 ? 'sessions.many' : 'sessions.one', { count: me.sessions });
  say(at('sessions-idle'), 'sessions.idle', { wait: wait(me.idleMinutes * 60) });
  at('passkeys-none').hidden = me.passkeys.length > 0;
  at('passkeys-list').replaceChildren(...me.passkeys.map(row));
}

// row is one passkey in the list.
function row(passkey) {
  const about = document.createElement('div');
  const name = document.createElement('p');
  name.textContent = passkey.name;
  about.append(name, line('passkeys.added', { day: day(passkey.addedOn) }, 'hint'));
  if (passkey.synced) about.append(line('passkeys.synced', {}, 'hint'));
  if (passkey.suspected) about.append(line('passkeys.suspected', {}, 'suspected'));
  const button = document.createElement('button');
  button.type = 'button';
  say(button, 'passkeys.remove');
  say(button, 'passkeys.removeNamed', { name: passkey.name }, 'label');
  button.addEventListener('click', () => remove(button, passkey));
  const item = document.createElement('li');
  item.append(about, button);
  return item;
}

function line(key, values, style) {
  const element = document.createElement('p');
  element.className = style;
  say(element, key, values);
  return element;
}

// choose opens a dialog and returns the value of the button that closed it; nothing when it was cancelled.
function choose(dialog) {
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    // Who is quick opens it again before it is told that it was closed: that is not for who asks now.
    dialog.onclose = () => {
      if (!dialog.open) resolve(dialog.returnValue);
    };
  });
}

for (const button of document.querySelectorAll('dialog button')) {
  button.addEventListener('click', () => button.closest('dialog').close(button.value));
}

// fresh does what asks for a fresh proof, and asks for one when there is none. It returns nothing when the
// person would rather not.
async function fresh(work) {
  try {
    return await work();
  } catch (problem) {
    if (problem.reason !== 'PROOF_NOT_FRESH') throw problem;
  }
  if (!await choose(at('proof'))) return undefined;
  const { ceremony, options } = await post('/v1/me:beginProof');
  await post('/v1/me:finishProof', { ceremony, credential: await prove(options) });
  return work();
}

at('add').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(event.submitter, at('add-outcome'), async () => {
    const [status, alert] = parts(at('add-outcome'));
    const name = named(at('name'), alert);
    if (!name) return;
    const asked = await fresh(() => post('/v1/me/passkeys:begin'));
    if (!asked) return;
    const credential = await make(asked.options);
    const answer = await fresh(() => post('/v1/me/passkeys:finish', { ceremony: asked.ceremony, credential, name }));
    if (!answer) return;
    show(answer);
    suggestName();
    say(status, 'passkeys.addedNow', { name });
  });
});

async function remove(button, passkey) {
  say(at('removal-heading'), 'removal.heading', { name: passkey.name });
  at('removal-last').hidden = me.passkeys.length > 1;
  if (!await choose(at('removal'))) return;
  attempt(button, at('passkeys-outcome'), async () => {
    const answer = await fresh(() => call('DELETE', `/v1/me/passkeys/${passkey.id}`));
    if (!answer) return;
    show(answer);
    const [status] = parts(at('passkeys-outcome'));
    say(status, 'passkeys.removedNow', { name: passkey.name });
    at('passkeys-heading').focus(); // the button is gone
  });
}

for (const [id, everywhere, hash] of [['here', false, '#out'], ['everywhere', true, '#everywhere']]) {
  at(id).addEventListener('click', () => attempt(at(id), at('sessions-outcome'), async () => {
    await post('/v1/me:signOut', { everywhere });
    location.replace(`/sign-in${hash}`);
  }));
}

suggestName();
await attempt(document.body, at('loading'), async () => show(await call('GET', '/v1/me')));

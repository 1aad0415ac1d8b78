// The page that the link of an invitation leads to: a member makes a passkey there, and a browser becomes
// the device of a centre.

import { Problem, post } from './api.js';
import { at, attempt, named, parts, suggestName } from './page.js';
import { make } from './passkeys.js';
import { say } from './words.js';

let invitation = '';
let asked;

// open reads the invitation, which stands after the # of the link and is taken out of the address, and so of
// the history, at once.
async function open() {
  invitation = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, '', location.pathname);
  for (const part of ['invited', 'member', 'device']) at(part).hidden = true;
  const invited = await attempt(document.body, at('opening'), ask);
  if (!invited) return;
  at('label').textContent = invited.label;
  say(at('role'), invited.device ? 'role.device' : `role.${invited.role}`);
  at('centre').textContent = invited.centre;
  at('centre-row').hidden = !invited.centre;
  at('invited').hidden = false;
  at(invited.device ? 'device' : 'member').hidden = false;
  if (invited.device) {
    at('enrol-device').focus();
    return;
  }
  suggestName();
  at('name').select();
}

async function ask() {
  if (!invitation) throw new Problem('INVITATION_MISSING');
  asked ??= await post('/v1/enrolments:begin', { invitation });
  return asked;
}

at('member').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(event.submitter, at('member-outcome'), async () => {
    const [, alert] = parts(at('member-outcome'));
    const name = named(at('name'), alert);
    if (!name) return;
    const { ceremony, options } = await ask();
    const credential = await make(options);
    asked = undefined; // it is accepted once
    await post('/v1/enrolments:finish', { invitation, ceremony, credential, name });
    location.replace('/account');
  });
});

at('enrol-device').addEventListener('click', () => attempt(at('enrol-device'), at('device-outcome'), async () => {
  await post('/v1/devices:enrol', { invitation });
  location.replace('/account');
}));

// A link that is opened where this page is open already changes what stands after the # alone.
addEventListener('hashchange', () => {
  asked = undefined;
  open();
});
open();

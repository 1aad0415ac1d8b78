// What the pages have in common: how something is tried, and how people learn what came of it.

import { has, hush, say, wait, word } from './words.js';

export const at = (id) => document.getElementById(id);

// attempt does what a button promises, once at a time, and tells in an outcome (an element that holds a
// status and an alert) that it takes a while, or why it could not be done. It returns what work returns, and
// nothing after a problem.
export async function attempt(button, outcome, work) {
  if (button.getAttribute('aria-disabled') === 'true') return undefined;
  const [status, alert] = parts(outcome);
  hush(status);
  hush(alert);
  button.setAttribute('aria-disabled', 'true'); // and not disabled, which would lose the focus
  const slow = setTimeout(() => say(status, 'waiting'), 1000);
  try {
    return await work();
  } catch (problem) {
    tell(alert, problem);
    return undefined;
  } finally {
    clearTimeout(slow);
    if (status.dataset.word === 'waiting') hush(status);
    button.removeAttribute('aria-disabled');
  }
}

// parts returns the status and the alert of an outcome.
export const parts = (outcome) => [outcome.querySelector('[role=status]'), outcome.querySelector('[role=alert]')];

// tell says what a problem is and what to do next. Whoever is not signed in any more is shown where to sign
// in.
export function tell(alert, problem) {
  if (!problem.reason) console.error(problem); // a fault of these pages
  const reason = has(problem.reason) ? problem.reason : 'OTHER';
  if (reason === 'NOT_SIGNED_IN' || reason === 'SIGNED_OUT') location.replace('/sign-in#ended');
  if (reason === 'TOO_MANY_ATTEMPTS') say(alert, reason, { wait: wait(problem.retryAfter || 60) });
  else say(alert, reason);
}

// named returns what the person calls a passkey; nothing, and says so at the field, when it has no name.
export function named(field, alert) {
  const name = field.value.trim();
  field.setAttribute('aria-describedby', name ? 'name-hint' : 'name-hint name-problem');
  if (name) {
    field.removeAttribute('aria-invalid');
    return name;
  }
  field.setAttribute('aria-invalid', 'true');
  say(alert, 'name.needed');
  field.focus();
  return '';
}

// suggestName puts a name for a passkey into the field: after what people call the device that they sit at, if
// that can be told.
export function suggestName() {
  const known = [
    ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Android', 'Android'], ['Windows', 'Windows'], ['Macintosh', 'Mac'],
    ['CrOS', 'Chromebook'], ['Linux', 'Linux'],
  ];
  const [, device] = known.find(([mark]) => navigator.userAgent.includes(mark)) ?? [];
  at('name').value = device ? word('name.default', { device }) : word('name.plain');
}

// A page that the browser kept as it was may show what is no longer so.
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});

// The words of the pages, in the person's language. An element of which data-word names a word shows it, and
// one of which data-label does is called so; both follow when another language is chosen.

import de from './words-de.js';
import en from './words-en.js';
import fr from './words-fr.js';
import nl from './words-nl.js';

// The languages, the default one first; locale says how dates are written.
const languages = {
  nl: { name: 'Nederlands', locale: 'nl-BE', words: nl },
  fr: { name: 'Français', locale: 'fr-BE', words: fr },
  en: { name: 'English', locale: 'en-GB', words: en },
  de: { name: 'Deutsch', locale: 'de-BE', words: de },
};

const kept = 'language';

let language = chosen() ?? asked() ?? 'nl';

// chosen is what was chosen here before. A browser may keep nothing for pages.
function chosen() {
  try {
    const name = localStorage.getItem(kept);
    return name in languages ? name : undefined;
  } catch {
    return undefined;
  }
}

// asked is the first that the browser asks for and there is.
function asked() {
  return navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((name) => name in languages);
}

// word returns a word with its values put in; a value may depend on how the language writes it. An unknown
// word is shown as it is.
export function word(key, values = {}) {
  const template = languages[language].words[key] ?? key;
  return template.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === 'function' ? value(languages[language].locale) : value;
  });
}

// has reports whether there is a word.
export const has = (key) => key in nl;

// day and moment write a date, and a date with its time; wait writes a length of time in whole minutes.
export const day = (date) => (locale) =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(date));
export const moment = (time) => (locale) =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short' }).format(new Date(time));
export const wait = (seconds) => (locale) =>
  new Intl.NumberFormat(locale, { style: 'unit', unit: 'minute', unitDisplay: 'long' }).format(Math.ceil(seconds / 60));

const values = new WeakMap();

// say shows a word in an element, or as its name when as is 'label'.
export function say(element, key, its = {}, as = 'word') {
  element.dataset[as] = key;
  values.set(element, its);
  show(element);
}

// hush shows nothing in an element.
export function hush(element) {
  delete element.dataset.word;
  element.textContent = '';
}

function show(element) {
  const its = values.get(element);
  if (element.dataset.word) element.textContent = word(element.dataset.word, its);
  if (element.dataset.label) element.setAttribute('aria-label', word(element.dataset.label, its));
}

function showAll() {
  document.documentElement.lang = language;
  document.querySelectorAll('[data-word], [data-label]').forEach(show);
  for (const button of document.querySelectorAll('#languages button')) {
    button.setAttribute('aria-pressed', button.lang === language);
  }
}

// The switch, in every page.
for (const [name, its] of Object.entries(languages)) {
  const button = document.createElement('button');
  button.type = 'button';
  button.lang = name;
  button.textContent = its.name;
  button.addEventListener('click', () => {
    language = name;
    try {
      localStorage.setItem(kept, name);
    } catch {
      // It then lasts as long as the page.
    }
    showAll();
  });
  document.querySelector('#languages').append(button);
}
showAll();

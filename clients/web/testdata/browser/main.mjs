// Plays one scenario: node main.mjs FILE.NAME ORIGIN [PROVIDER]. It exits with 0 when everything was as it should be.

import assert from 'node:assert/strict';

import { close, origin, start, complaints } from './browser.mjs';

const [file, name] = process.argv[2].split('.');
const scenarios = await import(`./${file}.mjs`);
await start();
try {
  await scenarios[name]();
  assert.deepEqual(complaints, [], `what browsers complained of at ${origin}`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await close();
}
process.stdin.destroy();

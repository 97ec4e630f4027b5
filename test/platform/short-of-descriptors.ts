import { closeSync, openSync, writeSync } from 'node:fs';
import { nodePlatform } from '../../src/platform/node-platform.js';

/** Takes all descriptors, syncs a directory, and gives one back meanwhile if told to. Arguments: the directory, `yes` or `no`. */
const [directory = '', giveBack] = process.argv.slice(2);
// What is loaded at the first call must not need a descriptor then.
await nodePlatform.fs.syncDirectory(directory);
const taken: number[] = [];
try {
  for (;;) taken.push(openSync('/dev/null', 'r'));
} catch {
  // That was the last one.
}
const synced = nodePlatform.fs.syncDirectory(directory);
if (giveBack === 'yes') setTimeout(() => closeSync(taken.pop()!), 30);
const outcome = await synced.then(
  () => 'synced',
  (error: NodeJS.ErrnoException) => error.code,
);
writeSync(1, `${outcome}\n`);

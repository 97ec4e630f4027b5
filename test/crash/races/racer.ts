import { closeSync, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { nodePlatform, openStore, type Platform, type Store, StoreError } from '../../../src/index.js';

/**
 * One of two that want the same directory. Reads commands, answers each with a line:
 *
 *   try DIRECTORY AT_MS UNTIL_MS   spins until AT_MS, then opens, again and again until UNTIL_MS: `won COUNT`, `lost CODE`
 *   append COUNT                   appends and notes each receipt in the file that was given at the start: `appended`
 *   leave                          closes: `left`
 *
 * Arguments: file for notes, `lock` or `no-lock` (broken on purpose).
 */
const [notesPath = '', locking = 'lock'] = process.argv.slice(2);
const notes = openSync(notesPath, 'a');
let store: Store | undefined;

const platform: Platform =
  locking === 'lock'
    ? nodePlatform
    : { ...nodePlatform, fs: { ...nodePlatform.fs, lockDirectory: () => ({ release: () => undefined, refusesBrokers: true }) } };

async function tryOpen(directory: string, atMs: number, untilMs: number): Promise<string> {
  while (Date.now() < atMs) {
    // Both shall come at the same time, to less than a turn of the event loop.
  }
  for (;;) {
    try {
      store = await openStore(directory, { segmentBytes: 16_384, indexSlotCount: 13, indexEntryCount: 100, freeBytesMin: 0, platform });
      let count = 0;
      for await (const batch of store.tailAll({ from: 'earliest', until: 'end' }).batches()) count += batch.length;
      return `won ${count}`;
    } catch (error) {
      const code = StoreError.is(error) ? error.code : String(error).replaceAll('\n', ' ');
      if (code !== 'STORE_LOCKED' || Date.now() >= untilMs) return `lost ${code}`;
      await wait(1);
    }
  }
}

async function obey(line: string): Promise<string> {
  const [command, ...args] = line.split(' ');
  if (command === 'try') return tryOpen(args[0]!, Number(args[1]), Number(args[2]));
  if (command === 'append') {
    const work = Array.from({ length: Number(args[0]) }, async () => {
      const receipt = await store!.append({ topic: 'Race', body: `${process.pid}` });
      writeSync(notes, `${receipt.physicalOffset}\n`);
    });
    await Promise.all(work);
    return 'appended';
  }
  await store?.close();
  store = undefined;
  return 'left';
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    process.stdout.write(`${await obey(line)}\n`);
  } catch (error) {
    process.stdout.write(`broke ${String(error).replaceAll('\n', ' ')}\n`);
  }
}
closeSync(notes);

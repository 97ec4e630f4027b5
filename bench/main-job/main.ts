import { rm } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { openStore } from '../../src/index.js';
import { formatMs } from '../common/numbers.js';
import { answerQuestions } from './answers.js';
import { loadEarthquakes } from './earthquakes.js';
import { makeTemplates } from './event-templates.js';
import { ingest } from './ingest.js';
import { killChildAndProve } from './kill-child.js';
import { readOptions, type MainJobOptions } from './options.js';
import { printHeading, printLine, printLoud } from './print.js';
import { compareWithRawLoop } from './raw-loop.js';
import { replay } from './replay.js';
import { clearDirectory, RefusedDirectory, requireFreeBytes } from './run-directory.js';
import { showFiles } from './show-files.js';
import { StoredSoFar } from './stored-so-far.js';

/**
 * The main job: one run that shows what the store does and checks it. Exit code 0: everything was as it must be; 1: something was
 * not, and a loud line says what; 2: it did not begin.
 */
const bytesPerMessageMax = 1_200;
/** The bare loops write it all a second time. */
const copiesOnDisk = 2;
const defaultCount = 1_200_000;
const overheadBytes = 512 * 1024 ** 2;

async function run(options: MainJobOptions): Promise<boolean> {
  const started = performance.now();
  printHeading(
    'stratalog, main job',
    'An embedded message store: everything below happens in this directory and in this process, without a server.',
  );
  printLine(`${options.directory}; default settings; the bulk is stored with flush '${options.flush}'`);
  const messageBytes = Math.max(bytesPerMessageMax, options.bodyBytes + 400);
  if (await clearDirectory(options.directory)) printLine('The store of an earlier run was there; it is replaced.');
  requireFreeBytes(options.directory, (options.count ?? defaultCount) * messageBytes * copiesOnDisk + overheadBytes);
  const stored = new StoredSoFar(makeTemplates(loadEarthquakes(), options.bodyBytes));
  const right = await storeAndAsk(options, stored);
  const { store, proven } = await killChildAndProve(options);
  const stats = store.stats();
  await store.close();
  showFiles(options.directory, stats);
  if (!options.keep) await rm(options.directory, { recursive: true });
  printHeading('Done', options.keep ? 'The store stays where it is; the next run replaces it.' : 'The store was deleted, as asked.');
  const verdict = right && proven ? 'everything was as it must be' : 'SOMETHING WAS NOT AS IT MUST BE, see above';
  printLine(`${formatMs(performance.now() - started)}; ${verdict}.`);
  return right && proven;
}

/** Steps 1 to 3; the store is closed again afterwards. */
async function storeAndAsk(options: MainJobOptions, stored: StoredSoFar): Promise<boolean> {
  const store = await openStore(options.directory, { flush: options.flush });
  try {
    await ingest(store, stored);
    const result = await replay(store, stored, options.count);
    if (result.count > 0) await compareWithRawLoop(options.directory, result);
    const answers = await answerQuestions(store, stored, options.seed);
    const wrong = answers.filter(({ found, expected }) => found !== expected);
    for (const { question, found, expected } of wrong) printLoud(`WRONG ANSWER: ${question}: ${found} found, ${expected} expected`);
    return wrong.length === 0;
  } finally {
    await store.close();
  }
}

try {
  process.exitCode = (await run(readOptions(process.argv.slice(2)))) ? 0 : 1;
} catch (error) {
  const refused = error instanceof RefusedDirectory;
  printLoud(refused ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = refused ? 2 : 1;
}

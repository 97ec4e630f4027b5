import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openStore, type RecoveryReport, type Store } from '../../src/index.js';
import { formatBytes, formatCount, formatMs } from '../common/numbers.js';
import { seededRandom } from '../common/seeded-random.js';
import { isProven, proveAcknowledged, readAcknowledged, type Proof } from './acknowledged.js';
import { liveId } from './live-events.js';
import type { MainJobOptions } from './options.js';
import { printHeading, printLine, printLoud, printRow, startProgress } from './print.js';

const callerCount = 256;
const notesMin = 5_000;
const notesSpread = 20_000;
const startMsMax = 120_000;

export interface KillResult {
  readonly store: Store;
  readonly proven: boolean;
}

/** Step 4. The store must be closed; the one returned is open, as recovery left it. */
export async function killChildAndProve(options: MainJobOptions): Promise<KillResult> {
  printHeading(
    '4. A crash',
    `Another process stores events with flush 'sync', ${callerCount} callers at once, and is killed with SIGKILL in the middle of it.`,
  );
  const notesFolder = mkdtempSync(join(tmpdir(), 'stratalog-main-job-'));
  const notesPath = join(notesFolder, 'acknowledged.txt');
  const noteCount = notesMin + Math.floor(seededRandom(options.seed)() * notesSpread);
  const livedMs = await runAndKill(options.directory, notesPath, noteCount);
  const acknowledged = readAcknowledged(notesPath);
  printRow('acknowledged when it died', formatCount(acknowledged.length), `in ${formatMs(livedMs)}; noted outside the store, one by one`);
  const opening = performance.now();
  const store = await openStore(options.directory, { flush: options.flush });
  printRecovery(store.recovery, performance.now() - opening);
  const proof = await prove(store, acknowledged);
  const proven = printProof(proof);
  if (proven) await rm(notesFolder, { recursive: true, force: true });
  else printLine(`The acknowledged ids are in ${notesPath}`);
  return { store, proven };
}

/** Kills when the file has that many notes. How long the process had been storing, in milliseconds. */
async function runAndKill(directory: string, notesPath: string, noteCount: number): Promise<number> {
  const program = fileURLToPath(new URL(`./child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));
  // The same loader that runs this file; a profile of this process is not asked for twice.
  const loader = process.execArgv.filter((argument) => !/^--(?:cpu|heap)-prof/.test(argument));
  const child = spawn(process.execPath, [...loader, program, directory, notesPath, String(callerCount)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  const noteBytes = liveId(0).length + 1;
  let firstNoteAt: number | undefined;
  const deadline = performance.now() + startMsMax;
  try {
    for (;;) {
      requireAlive(child);
      const bytes = existsSync(notesPath) ? statSync(notesPath).size : 0;
      if (bytes > 0) firstNoteAt ??= performance.now();
      if (bytes >= noteCount * noteBytes) break;
      if (performance.now() > deadline)
        throw new Error(`the storing process has noted only ${bytes / noteBytes} events in ${startMsMax} ms`);
      await wait(1);
    }
  } finally {
    child.kill('SIGKILL');
  }
  const livedMs = performance.now() - (firstNoteAt ?? performance.now());
  await exited;
  return livedMs;
}

function requireAlive(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) {
    throw new Error(`the storing process ended by itself: ${child.signalCode ?? `exit code ${child.exitCode}`}`);
  }
}

function printRecovery(report: RecoveryReport, openedMs: number): void {
  printRow(
    'opened again in',
    formatMs(openedMs),
    report.cleanShutdown ? 'after a clean shutdown?' : 'recovery found that it had not been closed',
  );
  printRow('bytes of the log read', formatBytes(report.scannedBytes));
  printRow(
    'bytes cut, skipped',
    `${formatBytes(report.truncatedBytes)}, ${formatBytes(report.skippedBytes)}`,
    'half-written appends that nobody was told of',
  );
  printRow('put in queues and index again', formatCount(report.redispatchedCount));
  for (const { path, offset, bytes, what } of report.damage) printLine(`damage: ${what}, ${formatBytes(bytes)} at ${offset} of ${path}`);
}

async function prove(store: Store, acknowledged: readonly string[]): Promise<Proof> {
  const progress = startProgress(acknowledged.length, 'ids looked up');
  try {
    return await proveAcknowledged(store, acknowledged, (done) => progress.update(done));
  } finally {
    progress.stop();
  }
}

function printProof(proof: Proof): boolean {
  const total = formatCount(proof.acknowledgedCount);
  printRow('acknowledged, found by key', formatCount(proof.acknowledgedCount - proof.missingByKey.length), `of ${total}`);
  printRow('acknowledged, found in its queue', formatCount(proof.acknowledgedCount - proof.missingByQueue.length), `of ${total}`);
  printRow('stored in all', formatCount(proof.storedCount), 'the difference was stored, but its receipt not yet noted');
  if (isProven(proof)) {
    printLine(`PROVEN: every one of the ${total} acknowledged events is there.`);
    return true;
  }
  const missing = [...new Set([...proof.missingByKey, ...proof.missingByQueue])];
  printLoud(`NOT PROVEN: ${missing.length} of ${total} acknowledged events are missing: ${missing.slice(0, 10).join(', ')}`);
  return false;
}

import { join } from 'node:path';
import { runChild } from '../common/run-child.js';
import type { OpeningLife, OpeningShape } from './opening-child.js';

export interface OpeningOptions extends OpeningShape {
  /** Of the log, about. */
  readonly logBytes: number;
  /** Appended after the last clean end, before the process kills itself. */
  readonly tailBytes: number;
  readonly rounds: number;
}

export interface OpeningResult {
  readonly messageCount: number;
  readonly logBytes: number;
  readonly clean: readonly OpeningLife[];
  readonly killed: readonly OpeningLife[];
}

/** Called before a store whose process was killed is opened again: tests damage it there, which the program must find out. */
type BeforeOpening = (directory: string) => void;

/**
 * Fills a store in one process; then, in every round, one process opens it, appends and kills itself with SIGKILL, the next opens what that
 * one left, and a third opens what the second closed. Every opening is checked: all messages must be there, in async mode too,
 * because a killed process takes nothing along that it had a receipt for.
 */
export async function runOpeningRounds(directory: string, options: OpeningOptions, beforeOpening?: BeforeOpening): Promise<OpeningResult> {
  const path = join(directory, 'store');
  const { bodyBytes, queues, keys } = options;
  const run = async (expectedCount: number, appendCount: number, end: 'close' | 'kill'): Promise<OpeningLife> => {
    const words = [path, JSON.stringify({ bodyBytes, queues, keys }), String(expectedCount), String(appendCount), end];
    const { exitCode, signal, output, errors } = await runChild('load/opening-child', words);
    const endedAsTold = end === 'kill' ? signal === 'SIGKILL' : exitCode === 0;
    if (!endedAsTold || output === '')
      throw new Error(`opening a store of ${expectedCount} messages: ${signal ?? exitCode}\n${errors.trim()}`);
    return JSON.parse(output) as OpeningLife;
  };
  const probe = await run(0, 100 * queues, 'close');
  const recordBytes = probe.logBytes / probe.storedCount;
  const fillCount = Math.max(0, Math.ceil(options.logBytes / recordBytes) - probe.storedCount);
  const tailCount = Math.max(1, Math.ceil(options.tailBytes / recordBytes));
  let last = await run(probe.storedCount, fillCount, 'close');
  const clean: OpeningLife[] = [];
  const killed: OpeningLife[] = [];
  for (let round = 0; round < options.rounds; round += 1) {
    last = await run(last.storedCount, tailCount, 'kill');
    beforeOpening?.(path);
    killed.push(await run(last.storedCount, 0, 'close'));
    clean.push(await run(last.storedCount, 0, 'close'));
  }
  if (killed.some((life) => life.recovery.cleanShutdown) || clean.some((life) => !life.recovery.cleanShutdown))
    throw new Error('the store did not see how the process before it had ended');
  return { messageCount: last.storedCount, logBytes: last.logBytes, clean, killed };
}

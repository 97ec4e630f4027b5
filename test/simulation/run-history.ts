import { History } from './history.js';
import { Violation } from './violation.js';

export interface HistoryResult {
  readonly seed: number;
  readonly operations: number;
  readonly crashes: number;
  readonly faults: number;
  readonly acknowledgements: number;
  readonly calls: number;
  readonly failure: string | undefined;
}

/** Runs the history of a seed to its end or to the first promise that is broken. */
export async function runHistory(seed: number, onLine?: (line: string) => void): Promise<HistoryResult> {
  const history = new History(seed, onLine);
  let failure: string | undefined;
  const onRejection = (reason: unknown): void => {
    failure ??= `a rejection that nobody handles: ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`;
  };
  process.on('unhandledRejection', onRejection);
  try {
    await history.run();
    await history.machine.clock.quiet();
  } catch (error) {
    failure ??= error instanceof Violation ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  return {
    seed,
    operations: history.operations,
    crashes: history.machine.crashCount,
    faults: history.machine.struckCount,
    acknowledgements: history.model.acknowledgedCount,
    calls: history.machine.callCount,
    failure,
  };
}

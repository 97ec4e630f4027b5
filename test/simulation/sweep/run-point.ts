import { Violation } from '../violation.js';
import type { Session } from '../session.js';
import type { Point } from './points.js';
import { newSession, runAftermath, runScenario } from './scenario.js';

export interface PointResult {
  readonly operations: number;
  readonly crashes: number;
  readonly faults: number;
  readonly acknowledgements: number;
  readonly failure: string | undefined;
}

/** The calls of the scenario when nothing goes wrong. */
export async function countCalls(seed: number, flush: 'sync' | 'async'): Promise<number> {
  const session = newSession({ seed, blockBytes: 512, onLine: undefined });
  await runScenario(session, flush);
  if (session.model.acknowledgedCount < session.model.sent.length / 2) throw new Error('the scenario itself does not work');
  return session.machine.callCount;
}

export async function runPoint(seed: number, point: Point, onLine?: (line: string) => void): Promise<PointResult> {
  const blockBytes = point.kind === 'crash' ? point.blockBytes : 512;
  const session = newSession({ seed, blockBytes, onLine });
  let failure: string | undefined;
  const onRejection = (reason: unknown): void => {
    failure ??= `a rejection that nobody handles: ${textOf(reason)}`;
  };
  process.on('unhandledRejection', onRejection);
  try {
    arm(session, point);
    await runScenario(session, point.flush);
    // What was promised must outlive the next crash as well.
    if (point.kind === 'fault' && point.call % 3 > 0) session.machine.crash(point.call % 3 === 1 ? 'synced' : 'random');
    await runAftermath(session, point.flush);
    await session.machine.clock.quiet();
  } catch (error) {
    failure ??= textOf(error);
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  return {
    operations: session.operations,
    crashes: session.machine.crashCount,
    faults: session.machine.struckCount,
    acknowledgements: session.model.acknowledgedCount,
    failure,
  };
}

function arm({ machine }: Session, point: Point): void {
  if (point.kind === 'crash') {
    machine.armBomb(point.call, point.keep, point.chance);
  } else {
    machine.addFaultAt(point.call, point.fault, point.forGood);
  }
}

function textOf(error: unknown): string {
  if (error instanceof Violation) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

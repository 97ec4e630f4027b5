import type { Continued } from './queue-numbers.js';

/** A run of more queues is not believed. */
export const RUN_QUEUE_COUNT_MAX = 4096;

/** Records that follow each other and verify, between two damaged places of a segment. */
export interface Run {
  readonly start: number;
  readonly end: number;
  /** First and last number of each queue in it, by `topic/queueId`. */
  readonly numbers: ReadonlyMap<string, { readonly first: number; readonly last: number }>;
}

/** The queues on both sides of a damaged stretch of the log. */
export interface Surroundings {
  /** The next number of each queue, as the records in front of it have it. */
  readonly before: ReadonlyMap<string, number>;
  /** Where the queues go on behind it. */
  readonly after: ReadonlyMap<string, Continued>;
  /** Queues that are not known in front of it begin with 0. */
  readonly isWholeLog: boolean;
}

/**
 * Those of the runs found in a damaged stretch, in order, that can be believed to be records of the log, and no bytes of a message's body
 * that only look like some. Of a queue that goes on behind the stretch it is known which numbers are missing in it. A run counts if all of
 * its numbers are among these and in order with those of the other runs; and if besides, for each of the damaged places between the runs,
 * one more number is missing. A run that was forged inside a body has no numbers to take: those that are missing are of the records
 * around it, and of the message that held it no more than one.
 */
export function believedRuns(runs: readonly Run[], around: Surroundings): readonly Run[] {
  const fitting = runs.filter((run) => fits(run, around));
  const inOrder = fitting.filter((run, i) => fitting.every((other, j) => i === j || (i < j ? isBefore(run, other) : isBefore(other, run))));
  let numberCount = 0;
  for (const run of inOrder) {
    for (const [name, { first, last }] of run.numbers)
      if (around.after.get(name)?.isBehindDamage === false) numberCount += last - first + 1;
  }
  return missingCount(around) - numberCount > inOrder.length ? inOrder : [];
}

function firstMissing(name: string, around: Surroundings): number | undefined {
  return around.before.get(name) ?? (around.isWholeLog ? 0 : undefined);
}

/** How many numbers of queues that are known on both sides are missing. */
function missingCount(around: Surroundings): number {
  let count = 0;
  for (const [name, { queueOffset, isBehindDamage }] of around.after) {
    const from = firstMissing(name, around);
    if (from !== undefined && !isBehindDamage) count += Math.max(0, queueOffset - from);
  }
  return count;
}

function fits(run: Run, around: Surroundings): boolean {
  if (run.numbers.size > RUN_QUEUE_COUNT_MAX) return false;
  let isKnown = false;
  for (const [name, { first, last }] of run.numbers) {
    const from = firstMissing(name, around);
    const to = around.after.get(name);
    if ((from !== undefined && first < from) || (to !== undefined && last >= to.queueOffset)) return false;
    isKnown ||= from !== undefined && to?.isBehindDamage === false;
  }
  return isKnown;
}

function isBefore(run: Run, later: Run): boolean {
  for (const [name, { last }] of run.numbers) if ((later.numbers.get(name)?.first ?? Number.POSITIVE_INFINITY) <= last) return false;
  return true;
}

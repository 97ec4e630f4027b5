import { damagedStores, type Finding } from './damaged-store.js';
import type { WorkOrder, WorkReport } from './main.js';
import { addTally, noTally, tallyOf } from './tally.js';

/** Of the store at work: an error that nobody awaits. */
const escaped: string[] = [];
process.on('unhandledRejection', (error) => escaped.push(`unhandled: ${textOf(error)}`));
process.on('uncaughtException', (error) => escaped.push(`uncaught: ${textOf(error)}`));

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function tell(report: WorkReport): void {
  process.send?.(report);
}

process.once('message', (order: WorkOrder) => {
  void run(order);
});

async function run({ from, count, allModes }: WorkOrder): Promise<void> {
  for (let seed = from; seed < from + count; seed += 1) {
    tell({ kind: 'began', seed });
    const tally = noTally();
    const findings: Finding[] = [];
    for (const store of await damagedStores(seed, allModes)) {
      addTally(tally, tallyOf(store));
      const failures = [...store.failures, ...escaped.splice(0)];
      if (failures.length > 0) findings.push({ seed, mode: store.mode, ending: store.ending, pieces: store.pieces, failures });
    }
    tell({ kind: 'done', tally, findings });
  }
}

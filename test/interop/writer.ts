import { openSync, writeSync } from 'node:fs';
import { type NewMessage, openStore } from '../../src/index.js';
import { factsOfAppend } from './facts.js';

/**
 * A process that appends to a store under synchronous flush until it is killed, four producers at once, and writes the facts of each message
 * that was acknowledged, a JSON line, into a file. What reached that file is with the operating system, so it outlives the process.
 */
export interface WriterJob {
  readonly directory: string;
  readonly factsPath: string;
  readonly sizes: {
    readonly segmentBytes: number;
    readonly queueEntriesPerFile: number;
    readonly indexSlotCount: number;
    readonly indexEntryCount: number;
  };
  readonly storeHost: { readonly address: string; readonly port: number };
  readonly topic: string;
  readonly round: number;
}

const job = JSON.parse(process.argv[2] ?? '{}') as WriterJob;
const acknowledged = openSync(job.factsPath, 'a');
const store = await openStore(job.directory, { ...job.sizes, storeHost: job.storeHost, systemMessages: true });
// It does not outlive the test.
process.stdin.resume().once('end', () => process.kill(process.pid, 'SIGKILL'));
process.stdout.write('open\n');
let next = 0;

async function produce(queueId: number): Promise<void> {
  for (;;) {
    const number = next++;
    const message: NewMessage = {
      topic: job.topic,
      queueId,
      body: `${number}:`.padEnd(10 + ((number * 7919) % 3_000), `${number}.`),
      keys: [`w-${job.round}-${number}`],
      tag: number % 2 === 0 ? 'even' : 'odd',
      bornAt: 1_700_000_000_000 + number,
    };
    const receipt = await store.append(message);
    writeSync(acknowledged, `${JSON.stringify(factsOfAppend(message, receipt))}\n`);
    // A core is left to the broker.
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
}
await Promise.all([0, 1, 2, 3].map((queueId) => produce(queueId)));

import { openSync, writeSync } from 'node:fs';
import type { FlushMode } from '../../src/index.js';
import { openStore } from '../../src/index.js';

/**
 * Appends until it is killed, and writes into the oracle file what was promised: before the call `? id`, after the receipt
 * `! id physicalOffset queue queueOffset`. Arguments: directory, oracle file, flush mode, first id.
 */
const [directory, oraclePath, flush, firstId] = process.argv.slice(2) as [string, string, FlushMode, string];
const oracle = openSync(oraclePath, 'a');
const store = await openStore(directory, {
  flush,
  segmentBytes: 8192,
  queueEntriesPerFile: 32,
  indexSlotCount: 13,
  indexEntryCount: 50,
  flushIntervalMs: 5,
  freeBytesMin: 0,
});
let next = Number(firstId);

async function produce(queueId: number): Promise<void> {
  for (;;) {
    const id = next;
    next += 1;
    const message = { topic: 'T', queueId, body: `${id}:`.padEnd(10 + ((id * 7919) % 700), `${id}.`), keys: [`k-${id}`] };
    writeSync(oracle, `? ${id}\n`);
    const receipt = id % 11 === 0 ? store.appendSync(message) : await store.append(message);
    writeSync(oracle, `! ${id} ${receipt.physicalOffset} ${queueId} ${receipt.queueOffset}\n`);
    if (id % 11 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}
process.stdout.write('open\n');
await Promise.all(Array.from({ length: 8 }, (_, queueId) => produce(queueId)));

/** A process that writes a store on its own: as many messages as it is told, then it says so and waits for the next number, or dies. */
import { createInterface } from 'node:readline';
import { openStore } from '../../../src/index.js';

const [directory = '', flush = 'sync'] = process.argv.slice(2);
const store = await openStore(directory, {
  flush: flush === 'async' ? 'async' : 'sync',
  segmentBytes: 64 * 1024,
  queueEntriesPerFile: 512,
  indexSlotCount: 1021,
  indexEntryCount: 2000,
  freeBytesMin: 0,
});
let written = store.bounds({ topic: 'T' }).max;
process.stdout.write('open\n');
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'close') break;
  if (line === 'clean') await store.clean({ before: store.stats().flushedOffset - 256 * 1024 });
  else {
    const count = Number(line);
    const appended = Array.from({ length: count }, () =>
      store.append({ topic: 'T', body: `m-${written++}-${'x'.repeat(200)}`, keys: ['k'] }),
    );
    await Promise.all(appended);
  }
  process.stdout.write(`${written}\n`);
}
await store.close();
process.exit(0);

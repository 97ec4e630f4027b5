import { add, complete, cycle, suite } from 'benny';
import { javaHash } from '../../src/base/java-hash.js';
import { indexEntryBytes, indexHashOf, indexKeyHash, writeIndexEntry } from '../../src/format/index-layout.js';
import { entryPhysicalOffset, entryRecordBytes, entryTagsCode, queueEntryBytes, writeQueueEntry } from '../../src/format/queue-entry.js';
import { inTurn } from './sample-records.js';

/** What queues and key index write and read for each record. */
const entryCount = 4_096;
const offsetStart = 7_000_000_000;
const queueEntries = Buffer.alloc(entryCount * queueEntryBytes);
const indexEntries = Buffer.alloc(entryCount * indexEntryBytes);
const keys = Array.from({ length: entryCount }, (_, ordinal) => `order-${1_000_000 + ordinal}`);
const prefixHash = javaHash('orders#');
const seen = { sum: 0 };

for (let index = 0; index < entryCount; index += 1)
  writeQueueEntry(queueEntries, index * queueEntryBytes, offsetStart + index * 300, 300, -index);

await suite(
  'derived structures',
  add('queue entry: write', () =>
    inTurn(entryCount, (index) => writeQueueEntry(queueEntries, index * queueEntryBytes, offsetStart + index * 300, 300, -index)),
  ),
  add('queue entry: read', () =>
    inTurn(entryCount, (index) => {
      const at = index * queueEntryBytes;
      seen.sum = entryPhysicalOffset(queueEntries, at) + entryRecordBytes(queueEntries, at) + entryTagsCode(queueEntries, at);
    }),
  ),
  add('index hash: topic and key', () => inTurn(entryCount, (index) => void (seen.sum = indexKeyHash('orders', keys[index]!)))),
  add('index hash: key behind a known topic', () =>
    inTurn(entryCount, (index) => void (seen.sum = indexHashOf(javaHash(keys[index]!, prefixHash)))),
  ),
  add('index entry: write', () =>
    inTurn(entryCount, (index) =>
      writeIndexEntry(indexEntries, index * indexEntryBytes, index * 7_919, offsetStart + index * 300, 17, index),
    ),
  ),
  cycle(),
  complete(),
);

import type { StoreOptions } from '../../src/index.js';
import { RecordView } from '../../src/format/record-view.js';
import type { Image } from './image.js';

/** Holds the bytes of all queue files against the log, by a walk that shares nothing with the engine but the record's codec. */
export function queueFaults(image: Image, options: StoreOptions): string[] {
  const faults: string[] = [];
  const { queueEntriesPerFile = 300_000 } = options;
  const view = new RecordView();
  const ends = new Map<string, number>();
  for (const [path, bytes] of [...image].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!/^commitlog\/\d{20}$/.test(path)) continue;
    const base = Number(path.slice(-20));
    for (let at = 0; at < bytes.length; ) {
      // Behind the end there may be what damage has put there.
      if (view.read(bytes, at, bytes.length) !== 'record' || view.physicalOffset !== base + at) break;
      const { topic, queueId, queueOffset, recordBytes } = view;
      if (view.hasQueueOffset) {
        const name = `${topic}/${queueId}`;
        const end = ends.get(name);
        if (end !== undefined && end !== queueOffset) faults.push(`the log has number ${queueOffset} of ${name} behind ${end - 1}`);
        ends.set(name, queueOffset + 1);
        const file = String(Math.floor(queueOffset / queueEntriesPerFile) * queueEntriesPerFile * 20).padStart(20, '0');
        const entry = image
          .get(`consumequeue/${name}/${file}`)
          ?.subarray(20 * (queueOffset % queueEntriesPerFile))
          .subarray(0, 20);
        const expected = Buffer.alloc(20);
        expected.writeBigInt64BE(BigInt(base + at), 0);
        expected.writeInt32BE(recordBytes, 8);
        expected.writeBigInt64BE(BigInt(view.tagsCode()), 12);
        if (entry?.equals(expected) !== true)
          faults.push(`entry ${queueOffset} of ${name} is ${entry?.toString('hex') ?? 'missing'}, not ${expected.toString('hex')}`);
      }
      at += recordBytes;
    }
  }
  return faults;
}

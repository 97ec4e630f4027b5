import { decodeMessage } from '../../../src/format/decode-message.js';
import { RecordEncoder } from '../../../src/format/record-encoder.js';
import { RecordView } from '../../../src/format/record-view.js';
import type { NewMessage } from '../../../src/format/message.js';
import type { SeededRandom } from '../../../src/testing/seeded-random.js';
import type { Decoder } from './decoders.js';
import { mutated } from './inputs.js';

const hosts = [
  { address: '127.0.0.1', port: 10_911 },
  { address: '2001:db8::1', port: 1 },
];
const messages: readonly NewMessage[] = [
  { topic: 'T', body: '' },
  { topic: 'Orders', body: 'a body of some bytes', keys: ['k1', 'k2', 'a-longer-key'], tag: 'paid' },
  { topic: 'x'.repeat(127), body: Buffer.alloc(700, 7), properties: { color: 'red', größe: 'ä' } },
  { topic: `%RETRY%${'g'.repeat(200)}`, body: 'v2', system: { sysFlag: 0, bornHost: { address: '::1', port: 65_535 }, reconsumeTimes: 3 } },
  { topic: 'SCHEDULE_TOPIC_XXXX', body: 'later', properties: { DELAY: '3' } },
  { topic: 'T', body: 'prepared', system: { sysFlag: 4, preparedTransactionOffset: 77 } },
];

const valid: readonly Buffer[] = hosts.flatMap((storeHost) =>
  [true, false].flatMap((recordChecksum) => {
    const encoder = new RecordEncoder({ storeHost, recordChecksum, messageBytesMax: 4096, systemMessages: true });
    return messages.map((message) => {
      const bytes = Buffer.alloc(encoder.stage(message, 1_700_000_000_000, false));
      encoder.write(bytes, 0, 4096, 7, 1_700_000_000_123);
      return bytes;
    });
  }),
);

const view = new RecordView();

/** One record, or what is left of one, read in every way that the engine reads it. */
export const recordDecoder: Decoder = {
  input: (random: SeededRandom) => mutated(random, valid),
  read: (bytes) => {
    const kind = view.read(bytes, 0, bytes.length);
    if (kind === 'invalid' && view.what === '') throw new Error('invalid without a reason');
    if (kind !== 'record') return;
    const { bodyStart, bodyEnd, topicStart, topicEnd, propertiesStart, propertiesEnd, recordBytes } = view;
    const places = [0, bodyStart, bodyEnd, topicStart, topicEnd, propertiesStart, propertiesEnd];
    if (propertiesEnd !== recordBytes || recordBytes > bytes.length || places.some((place, i) => i > 0 && place < (places[i - 1] ?? 0)))
      throw new Error('parts outside of the record');
    view.verify(true);
    view.verify(false);
    view.tagsCode();
    if (view.readKeys() > recordBytes) throw new Error('more keys than bytes');
    view.hasKey('k1');
    view.property('TAGS');
    view.batchMark();
    if (view.isTombstone && view.bodyEnd - view.bodyStart > 255) throw new Error('a tombstone with a body');
    const message = decodeMessage(view, bytes, true);
    if (message.body.length > recordBytes || Object.getPrototypeOf(message.properties) !== Object.prototype)
      throw new Error('another message');
    if (typeof message.messageId !== 'string') throw new Error('no id');
  },
  heapFactor: 40,
};

import { add, complete, cycle, suite } from 'benny';
import { bodySizes, inTurn, makeEncoder, sampleMessage } from './sample-records.js';

/** A message into the bytes of its record: `stage` validates and measures, `write` encodes. */
const messageCount = 4_096;
const storedAt = 1_700_000_000_000;

function cases(bodyBytes: number, recordChecksum: boolean) {
  const encoder = makeEncoder(recordChecksum);
  const messages = Array.from({ length: messageCount }, (_, ordinal) => sampleMessage(bodyBytes, ordinal));
  const into = Buffer.alloc(1024 ** 2);
  let at = 0;
  const encode = inTurn(messageCount, (index) => {
    const recordBytes = encoder.stage(messages[index]!, storedAt, false);
    if (at + recordBytes > into.length) at = 0;
    encoder.write(into, at, at, index, storedAt);
    at += recordBytes;
  });
  const stage = inTurn(messageCount, (index) => void encoder.stage(messages[index]!, storedAt, false));
  const name = `${bodyBytes} B, ${recordChecksum ? 'record checksum' : 'body checksum only'}`;
  return [add(`stage and write, ${name}`, () => encode), ...(recordChecksum ? [add(`stage, ${bodyBytes} B`, () => stage)] : [])];
}

await suite('encode', ...bodySizes.flatMap((bytes) => [...cases(bytes, true), ...cases(bytes, false)]), cycle(), complete());

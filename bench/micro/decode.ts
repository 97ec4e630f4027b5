import { add, complete, cycle, suite } from 'benny';
import { decodeMessage } from '../../src/format/decode-message.js';
import { RecordView } from '../../src/format/record-view.js';
import { bodySizes, encodeRecords, inTurn } from './sample-records.js';

/** The bytes of a record into a view, a verdict on its checksums, a message. */
const recordCount = 1_024;

function cases(bodyBytes: number) {
  const { bytes, starts } = encodeRecords(recordCount, bodyBytes, true);
  const view = new RecordView();
  const each = (work: () => void) =>
    inTurn(recordCount, (index) => {
      if (view.read(bytes, starts[index]!, bytes.length) !== 'record') throw new Error(`record ${index}: ${view.what}`);
      work();
    });
  const read = each(() => undefined);
  const verify = each(() => {
    if (!view.verify(true)) throw new Error('a good record does not verify');
  });
  const keys = each(() => void view.readKeys());
  const decode = each(() => void decodeMessage(view, bytes, true));
  return [
    add(`read, ${bodyBytes} B`, () => read),
    add(`read and verify, ${bodyBytes} B`, () => verify),
    add(`read and hash keys, ${bodyBytes} B`, () => keys),
    add(`read and decode, ${bodyBytes} B`, () => decode),
  ];
}

await suite('decode', ...bodySizes.flatMap(cases), cycle(), complete());

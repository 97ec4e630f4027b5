import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage } from '../../src/format/decode-message.js';
import { encodeHost, hostText } from '../../src/format/host-address.js';
import { encodeMessageId, parseMessageId } from '../../src/format/message-id.js';
import { Receipt } from '../../src/format/receipt.js';
import { RecordView } from '../../src/format/record-view.js';
import { hex, recordV1, recordV2, storedAt } from './vectors.js';

describe('message ids', () => {
  it.each([
    ['192.168.1.10', 10_911, 4_096, 'C0A8010A00002A9F0000000000001000'],
    ['2001:db8::1', 10_911, 1_073_741_824, '20010DB800000000000000000000000100002A9F0000000040000000'],
  ])('of %s:%d at %d', (address, port, physicalOffset, id) => {
    expect(encodeMessageId(encodeHost({ address, port }, 'host').hex, physicalOffset)).toBe(id);
    expect(parseMessageId(id)).toEqual({ address, port, physicalOffset });
    expect(parseMessageId(id.toLowerCase())).toEqual({ address, port, physicalOffset });
  });

  it('survive a round trip for every address, port and offset', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(65_535), fc.maxSafeNat(), (address, port, physicalOffset) => {
        const host = encodeHost({ address, port }, 'host');
        const parsed = parseMessageId(encodeMessageId(host.hex, physicalOffset));
        expect(parsed).toMatchObject({ port, physicalOffset });
        // The text may be shorter than what was given, the address is the same one.
        expect(encodeHost({ address: parsed?.address ?? '', port }, 'host').hex).toBe(host.hex);
      }),
    );
  });

  it.each([
    '',
    'C0A8010A00002A9F000000000000100',
    'G0A8010A00002A9F0000000000001000',
    'C0A8010A00002A9F00000000000010000',
    ' C0A8010A00002A9F000000000000100',
    'C0A8010AFFFFFFFF0000000000001000',
    'C0A8010A00002A9F8000000000001000',
    'C0A8010A00002A9F0020000000000000',
    'C0A8010A0001000000000000000010000',
  ])('%j is none', (text) => {
    expect(parseMessageId(text)).toBeUndefined();
  });
});

describe('addresses as text', () => {
  it.each([
    ['7F000001', '127.0.0.1'],
    ['00000000000000000000000000000001', '::1'],
    ['00000000000000000000000000000000', '::'],
    ['20010DB8000000010000000000000001', '2001:db8:0:1::1'],
    ['00010002000300040005000600070008', '1:2:3:4:5:6:7:8'],
    ['00010000000300040005000600070000', '1:0:3:4:5:6:7:0'],
    ['FE800000000000000000000000000000', 'fe80::'],
  ])('%s is %s', (bytes, text) => {
    expect(hostText(hex(bytes))).toBe(text);
    expect(encodeHost({ address: text, port: 0 }, 'host').hex).toBe(`${bytes}00000000`);
  });
});

describe('a receipt', () => {
  const receipt = new Receipt('T', 1, 2, 4_096, 226, storedAt, true, 'C0A8010A00002A9F');
  const fields = { topic: 'T', queueId: 1, queueOffset: 2, physicalOffset: 4_096, recordBytes: 226, storedAt, durable: true };

  it('is plain data whose message id shows in JSON and not in a spread', () => {
    expect({ ...receipt }).toEqual(fields);
    expect(JSON.parse(JSON.stringify(receipt))).toEqual({ ...fields, messageId: 'C0A8010A00002A9F0000000000001000' });
    expect(receipt.messageId).toBe('C0A8010A00002A9F0000000000001000');
    expect(structuredClone({ ...receipt })).toEqual(fields);
  });
});

describe('a message', () => {
  const view = new RecordView();

  it('has every field of its record', () => {
    const bytes = hex(recordV1);
    view.read(bytes, 0, bytes.length);
    const message = decodeMessage(view, bytes, true);
    expect({ ...message }).toEqual({
      topic: 'TopicTest',
      queueId: 3,
      queueOffset: 7,
      physicalOffset: 4_096,
      recordBytes: 226,
      storedAt,
      durable: true,
      body: Buffer.from('Hello RocketMQ'),
      tag: 'TagA',
      keys: ['order-1001', 'order-1002'],
      properties: { UNIQ_KEY: '7F0000010001070DEA4E9C8D8A1B0000', CLUSTER: 'DefaultCluster', WAIT: 'true' },
      flag: 0,
      bornAt: 1_700_000_000_000,
      reconsumeTimes: 0,
      sysFlag: 0,
      preparedTransactionOffset: 0,
    });
    expect(message.messageId).toBe('C0A8010A00002A9F0000000000001000');
    expect(JSON.parse(JSON.stringify(message))).toMatchObject({ messageId: message.messageId, tag: 'TagA' });
  });

  it('takes its id from its own record’s host', () => {
    const v2 = hex(recordV2);
    view.read(v2, 0, v2.length);
    expect(decodeMessage(view, v2, true).messageId).toBe('0000000000000000000000000000000100002A9F0000000040000000');
    const v1 = hex(recordV1);
    view.read(v1, 0, v1.length);
    expect(decodeMessage(view, v1, true).messageId).toBe('C0A8010A00002A9F0000000000001000');
  });

  it('shares no memory with the bytes it came from', () => {
    const bytes = hex(recordV1);
    view.read(bytes, 0, bytes.length);
    const message = decodeMessage(view, bytes, true);
    bytes.fill(0xff);
    expect(message.body.toString()).toBe('Hello RocketMQ');
    expect([message.topic, message.tag, message.messageId]).toEqual(['TopicTest', 'TagA', 'C0A8010A00002A9F0000000000001000']);
  });
});

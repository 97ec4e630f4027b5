import type { EpochMs, PhysicalOffset, QueueOffset } from '../base/quantities.js';
import { encodeMessageId } from './message-id.js';
import type { AppendReceipt, Message } from './message.js';
import { keysProperty, tagsProperty } from './property-names.js';
import { eachProperty } from './property-scan.js';
import { batchPropertyName, checksumPropertyName } from './record-layout.js';
import type { RecordView } from './record-view.js';

/** A record as the reader of a store gets it. Nothing in it shares memory with the bytes it came from. */
class DecodedMessage implements Message {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
  readonly recordBytes: number;
  readonly storedAt: EpochMs;
  readonly durable: boolean;
  readonly body: Buffer<ArrayBuffer>;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  readonly flag: number;
  readonly bornAt: EpochMs;
  readonly reconsumeTimes: number;
  readonly sysFlag: number;
  readonly preparedTransactionOffset: number;
  readonly #hostHex: string;

  constructor(view: RecordView, bytes: Buffer, durable: boolean) {
    const found = new Properties();
    eachProperty(bytes, view.propertiesStart, view.propertiesEnd, found.visit);
    this.topic = view.topic;
    this.queueId = view.queueId;
    this.queueOffset = view.queueOffset;
    this.physicalOffset = view.physicalOffset;
    this.recordBytes = view.recordBytes;
    this.storedAt = view.storedAt;
    this.durable = durable;
    this.body = Buffer.copyBytesFrom(bytes, view.bodyStart, view.bodyEnd - view.bodyStart);
    this.tag = found.tag;
    this.keys = found.keys;
    this.properties = found.others;
    this.flag = view.flag;
    this.bornAt = view.bornAt;
    this.reconsumeTimes = view.reconsumeTimes;
    this.sysFlag = view.sysFlag;
    this.preparedTransactionOffset = view.preparedTransactionOffset;
    this.#hostHex = hostHexOf(bytes, view.storeHostStart, view.storeHostEnd);
  }

  get messageId(): string {
    return encodeMessageId(this.#hostHex, this.physicalOffset);
  }

  toJSON(): AppendReceipt {
    return { ...this, messageId: this.messageId };
  }
}

/** Sorts a record's properties into those with a field of their own, those of the store, and the others. */
class Properties {
  tag: string | undefined = undefined;
  keys: readonly string[] = [];
  readonly others: Record<string, string> = {};

  readonly visit = (name: string, value: string): void => {
    if (name === tagsProperty) this.tag = value;
    else if (name === keysProperty) this.keys = value.split(' ').filter((key) => key !== '');
    else if (name === '__proto__') defineOwn(this.others, name, value);
    else if (name !== checksumPropertyName && name !== batchPropertyName) this.others[name] = value;
  };
}

/** An assignment to this name would set the object's prototype instead. */
function defineOwn(object: Record<string, string>, name: string, value: string): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

const noBytes: Buffer = Buffer.alloc(0);
let lastHost: Buffer = noBytes;
let lastHostHex = '';

/** All records of a store have the same host, nearly always. */
function hostHexOf(bytes: Buffer, start: number, end: number): string {
  if (end - start !== lastHost.length || bytes.compare(lastHost, 0, lastHost.length, start, end) !== 0) {
    lastHost = Buffer.from(bytes.subarray(start, end));
    lastHostHex = lastHost.toString('hex').toUpperCase();
  }
  return lastHostHex;
}

/** The record that `view` has just read from `bytes`, as a message of its own. */
export function decodeMessage(view: RecordView, bytes: Buffer, durable: boolean): Message {
  return new DecodedMessage(view, bytes, durable);
}

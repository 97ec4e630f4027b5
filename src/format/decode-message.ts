import type { EpochMs, PhysicalOffset, QueueOffset } from '../base/quantities.js';
import { encodeMessageId } from './message-id.js';
import type { AppendReceipt, Message } from './message.js';
import { keysProperty, tagsProperty } from './property-names.js';
import { equalsBytes, PropertyCursor, textOf } from './property-scan.js';
import { batchPropertyName, checksumPropertyName } from './record-layout.js';
import type { RecordView } from './record-view.js';
import { ShortTexts } from './short-texts.js';

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
    const found = readProperties(view, bytes);
    this.topic = view.topic;
    this.queueId = view.queueId;
    this.queueOffset = view.queueOffset;
    this.physicalOffset = view.physicalOffset;
    this.recordBytes = view.recordBytes;
    this.storedAt = view.storedAt;
    this.durable = durable;
    this.body = copyOf(bytes, view.bodyStart, view.bodyEnd);
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

/** A record's properties: those with a field of their own, and the others but for those of the store. */
interface Properties {
  tag: string | undefined;
  keys: readonly string[];
  readonly others: Record<string, string>;
}

const cursor: PropertyCursor = new PropertyCursor();
const names: ShortTexts = new ShortTexts();
const values: ShortTexts = new ShortTexts();

function readProperties(view: RecordView, bytes: Buffer): Properties {
  const found: Properties = { tag: undefined, keys: [], others: {} };
  for (cursor.begin(view.propertiesStart, view.propertiesEnd); cursor.next(bytes); ) {
    const { valueStart, valueEnd } = cursor;
    const name = names.get(bytes, cursor.nameStart, cursor.nameEnd);
    if (name === tagsProperty) found.tag = values.get(bytes, valueStart, valueEnd);
    else if (name === keysProperty) found.keys = keysOf(textOf(bytes, valueStart, valueEnd));
    else if (name === checksumPropertyName || name === batchPropertyName) continue;
    else if (name === '__proto__') defineOwn(found.others, name, values.get(bytes, valueStart, valueEnd));
    else found.others[name] = values.get(bytes, valueStart, valueEnd);
  }
  return found;
}

function keysOf(text: string): readonly string[] {
  return text.includes(' ') ? text.split(' ').filter((key) => key !== '') : [text];
}

/** Small ones come out of a pool, which is quicker and shared with nobody. */
function copyOf(bytes: Buffer, start: number, end: number): Buffer<ArrayBuffer> {
  const copy = Buffer.allocUnsafe(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
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
  if (!equalsBytes(bytes, start, end, lastHost)) {
    lastHost = Buffer.from(bytes.subarray(start, end));
    lastHostHex = lastHost.toString('hex').toUpperCase();
  }
  return lastHostHex;
}

/** The record that `view` has just read from `bytes`, as a message of its own. */
export function decodeMessage(view: RecordView, bytes: Buffer, durable: boolean): Message {
  return new DecodedMessage(view, bytes, durable);
}

import type { EpochMs, PhysicalOffset, QueueOffset } from '../base/quantities.js';
import { encodeMessageId } from './message-id.js';
import type { AppendReceipt } from './message.js';

/** Plain fields, and a message id that is made only for those who ask: as text it costs more than all the rest. */
export class Receipt implements AppendReceipt {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
  readonly recordBytes: number;
  readonly storedAt: EpochMs;
  durable: boolean;
  readonly #hostHex: string;

  constructor(
    topic: string,
    queueId: number,
    queueOffset: QueueOffset,
    physicalOffset: PhysicalOffset,
    recordBytes: number,
    storedAt: EpochMs,
    durable: boolean,
    hostHex: string,
  ) {
    this.topic = topic;
    this.queueId = queueId;
    this.queueOffset = queueOffset;
    this.physicalOffset = physicalOffset;
    this.recordBytes = recordBytes;
    this.storedAt = storedAt;
    this.durable = durable;
    this.#hostHex = hostHex;
  }

  get messageId(): string {
    return encodeMessageId(this.#hostHex, this.physicalOffset);
  }

  toJSON(): AppendReceipt {
    return { ...this, messageId: this.messageId };
  }
}

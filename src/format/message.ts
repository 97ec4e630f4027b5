import type { EpochMs, PhysicalOffset, QueueOffset } from '../base/quantities.js';

export interface NewMessage {
  readonly topic: string;
  readonly body: Uint8Array | string; // a string is stored as UTF-8
  readonly queueId?: number | undefined; // 0
  readonly tag?: string | undefined;
  readonly keys?: readonly string[] | undefined; // each without spaces; indexed
  readonly properties?: Readonly<Record<string, string>> | undefined;
  readonly flag?: number | undefined; // opaque 32-bit producer flag
  readonly bornAt?: EpochMs | Date | undefined; // now
  /** For layers that speak RocketMQ; TypeError unless the store was opened with `systemMessages`. */
  readonly system?: SystemFields | undefined;
}
export interface SystemFields {
  readonly sysFlag?: number | undefined;
  readonly reconsumeTimes?: number | undefined;
  readonly preparedTransactionOffset?: number | undefined;
  readonly bornHost?: { readonly address: string; readonly port: number } | undefined;
}
/** Plain data, as messages are: spread it, send it as JSON. `messageId` alone is computed when asked for: JSON shows it, a spread drops it. */
export interface AppendReceipt {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
  readonly recordBytes: number;
  readonly storedAt: EpochMs; // the store's clock; never steps back within a store
  readonly durable: boolean; // on the disk when the receipt was given
  /** 32 upper-case hex digits: store host, port, physical offset; as Apache RocketMQ's offset message id. */
  readonly messageId: string;
}
export interface Message extends AppendReceipt {
  readonly body: Buffer<ArrayBuffer>; // yours: no later call changes it
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>; // all but KEYS, TAGS and the checksum; may be given to a NewMessage as they are
  readonly flag: number;
  readonly bornAt: EpochMs;
  readonly reconsumeTimes: number;
  readonly sysFlag: number;
  readonly preparedTransactionOffset: number;
}

import { batchPropertyName, checksumPropertyName } from './record-layout.js';

export const keysProperty = 'KEYS';
export const tagsProperty = 'TAGS';
export const uniqueKeyProperty = 'UNIQ_KEY';
export const delayProperty = 'DELAY';

/** Names that RocketMQ gives a meaning of its own; a message may carry them only with `systemMessages`. */
const reserved: ReadonlySet<string> = new Set(
  [
    'UNIQ_KEY WAIT DELAY TIMER_DELAY_SEC TIMER_DELAY_MS TIMER_DELIVER_MS TIMER_OUT_MS TIMER_ENQUEUE_MS TIMER_DEQUEUE_MS',
    'TIMER_ROLL_TIMES TIMER_DEL_UNIQKEY TIMER_DELAY_LEVEL REAL_TOPIC REAL_QID RETRY_TOPIC TRAN_MSG PGROUP __transactionId__',
    'TRAN_PREPARED_QUEUE_OFFSET TRANSACTION_CHECK_TIMES CHECK_IMMUNITY_TIME_IN_SECONDS ORIGIN_MESSAGE_ID RECONSUME_TIME',
    'MAX_RECONSUME_TIMES DLQ_ORIGIN_TOPIC DLQ_ORIGIN_MESSAGE_ID MIN_OFFSET MAX_OFFSET CONSUME_START_TIME INNER_NUM INNER_BASE',
    'INNER_MULTI_DISPATCH INNER_MULTI_QUEUE_OFFSET CLUSTER MSG_REGION TRACE_ON INSTANCE_ID BUYER_ID __SHARDINGKEY MSG_TYPE',
    'CORRELATION_ID REPLY_TO_CLIENT TTL ARRIVE_TIME PUSH_REPLY_TIME POP_CK POP_CK_OFFSET 1ST_POP_TIME TRANSFER_FLAG',
    'CORRECTION_FLAG MQ2_FLAG REDIRECT PROPERTY_FORWARD_QUEUE_ID EXTEND_UNIQ_INFO TRACE_CONTEXT __BORNHOST BORN_TIMESTAMP DUP_INFO',
  ].flatMap((line) => line.split(' ')),
);
const transientPrefix = '__RMQ.TRANSIENT.';

export type PropertyUse = 'free' | 'reserved' | 'dropped' | 'own-field' | 'unsupported';

/**
 * What becomes of a property of this name in a new message: `own-field` has a field of its own in the message and is refused
 * as a property; `dropped` is what the store writes by itself, so that a message that was read can be appended again;
 * `unsupported` are inner batches, which queues of this engine cannot hold.
 */
export function propertyUse(name: string): PropertyUse {
  if (name === keysProperty || name === tagsProperty) return 'own-field';
  if (name === checksumPropertyName || name === batchPropertyName) return 'dropped';
  if (name === 'INNER_NUM' || name === 'INNER_BASE') return 'unsupported';
  if (reserved.has(name)) return 'reserved';
  // Nearly no name begins with an underscore: the first character spares the search.
  return name.charCodeAt(0) === 0x5f && name.startsWith(transientPrefix) ? 'reserved' : 'free';
}

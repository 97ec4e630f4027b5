/**
 * A record of the commit log. Big-endian, no padding. B and S are 8 (IPv4) or 20 (IPv6) bytes: address, 32-bit port.
 *
 *    0  i32 recordBytes             48         B  born host
 *    4  i32 magic (V1 or V2)        48+B     i64  storedAt
 *    8  i32 CRC of the body         56+B       S  store host
 *   12  i32 queueId                 56+B+S   i32  reconsumeTimes
 *   16  i32 flag                    60+B+S   i64  preparedTransactionOffset
 *   20  i64 queueOffset             68+B+S   i32  body bytes, then the body
 *   28  i64 physicalOffset          then     i8 (V1) or i16 (V2) topic bytes, the topic
 *   36  i32 sysFlag                 then     i16 property bytes, the properties: (name 01 value 02)*
 *   40  i64 bornAt
 *
 * All CRCs are masked to 31 bits. The record checksum, where there is one, is the last property: `__CRC32#` 01 ten digits 02,
 * least significant digit first, over all the bytes before it. A blank ends a segment: i32 bytes left in it, i32 magic.
 */
export const magicV1: number = 0xdaa320a7 | 0;
export const magicV2: number = 0xdaa320ab | 0;
export const magicBlank: number = 0xcbd43194 | 0;

/** With IPv4 hosts, V1, and neither body, topic nor properties. */
export const recordBytesMin = 91;
/** All before the bytes of a body, whatever the hosts. */
export const recordHeadBytesMax = 112;
export const blankBytes = 8;
export const propertiesBytesMax = 32_767;
/** Up to here a topic fits into a V1 record. */
export const topicBytesMaxV1 = 127;
/** What an IPv6 host takes more than an IPv4 one. */
export const ipv6ExtraBytes = 12;

export const sysFlagTransactionMask = 0xc;
const transactionPrepared = 0x4;
export const transactionRollback = 0xc;
export const sysFlagBornHostIPv6 = 0x10;
export const sysFlagStoreHostIPv6 = 0x20;
/** Inner batches (need-unwrap and inner-batch): a shape of RocketMQ's that this engine does not write. */
export const sysFlagInnerBatchMask = 0xc0;

/** Of a record that stands for a lost one; only together with an empty body, or one of a few zeros. */
export const tombstoneFlag = 0x4c4f5354;
export const tombstoneBodyBytesMax = 255;
/** Topic of the records that fill what remains of a repaired span. */
export const fillerTopic = 'STRATALOG_FILLER';
export const scheduleTopic = 'SCHEDULE_TOPIC_XXXX';

/** In the first record of a batch of several: ten digits count, comma, ten digits bytes. */
export const batchPropertyName = 'STRATALOG_BATCH';
export const batchValueBytes = 21;
/** Name, 01, value, 02. */
export const batchPropertyBytes = 38;

export const checksumPropertyName = '__CRC32#';
/** Name, 01, ten digits, 02. */
export const checksumPropertyBytes = 20;

/** PREPARED and ROLLBACK records have no place in a queue. */
export function takesQueueOffset(sysFlag: number): boolean {
  return (sysFlag & transactionPrepared) === 0;
}

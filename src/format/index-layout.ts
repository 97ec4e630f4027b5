import { readInt64, writeInt64 } from '../base/bytes.js';
import { javaHash } from '../base/java-hash.js';

/**
 * A file of the key index, with S hash slots and room for E entries, number 0 of which is never used:
 *
 *    0  i64 begin time (of the first entry)     40           S x i32 slots: the newest entry's number, 0: none
 *    8  i64 end time (of the last)              40 + 4 S     E x 20 bytes entries:
 *   16  i64 begin offset                                       0  i32 hash of topic#key, 0 to 2^31 - 1
 *   24  i64 end offset                                         4  i64 physicalOffset
 *   32  i32 slots used                                        12  i32 seconds after the begin time
 *   36  i32 number of the next entry (0 means 1)              16  i32 number of the entry before it in the same slot, 0: none
 *
 * Its name is a time of the local clock, yyyyMMddHHmmssSSS.
 */
export const indexHeaderBytes = 40;
export const indexSlotBytes = 4;
export const indexEntryBytes = 20;

export interface IndexHeader {
  beginTime: number;
  endTime: number;
  beginOffset: number;
  endOffset: number;
  slotsUsed: number;
  /** At least 1. */
  nextEntry: number;
}

export function indexFileBytes(slotCount: number, entryCount: number): number {
  return indexHeaderBytes + indexSlotBytes * slotCount + indexEntryBytes * entryCount;
}

export function indexSlotAt(slot: number): number {
  return indexHeaderBytes + indexSlotBytes * slot;
}

export function indexEntryAt(slotCount: number, entry: number): number {
  return indexHeaderBytes + indexSlotBytes * slotCount + indexEntryBytes * entry;
}

export function writeIndexHeader(into: Buffer, at: number, header: Readonly<IndexHeader>): void {
  writeInt64(into, header.beginTime, at);
  writeInt64(into, header.endTime, at + 8);
  writeInt64(into, header.beginOffset, at + 16);
  writeInt64(into, header.endOffset, at + 24);
  into.writeInt32BE(header.slotsUsed, at + 32);
  into.writeInt32BE(header.nextEntry, at + 36);
}

/** Whatever the bytes say; only a next entry of 0 or less is read as 1, as RocketMQ does. */
export function readIndexHeader(bytes: Buffer, at: number): IndexHeader {
  return {
    beginTime: readInt64(bytes, at),
    endTime: readInt64(bytes, at + 8),
    beginOffset: readInt64(bytes, at + 16),
    endOffset: readInt64(bytes, at + 24),
    slotsUsed: bytes.readInt32BE(at + 32),
    nextEntry: Math.max(1, bytes.readInt32BE(at + 36)),
  };
}

const two32 = 4_294_967_296;

export function writeIndexEntry(into: Buffer, at: number, hash: number, physicalOffset: number, seconds: number, previous: number): void {
  const high = Math.floor(physicalOffset / two32);
  putInt32(into, at, hash);
  putInt32(into, at + 4, high);
  putInt32(into, at + 8, physicalOffset - high * two32);
  putInt32(into, at + 12, seconds);
  putInt32(into, at + 16, previous);
}

/** Four plain stores: quicker than the checked call, and every key of every message comes through here. */
function putInt32(into: Buffer, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

export function indexEntryHash(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at);
}

export function indexEntryPhysicalOffset(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + 4);
}

export function indexEntrySeconds(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 12);
}

export function indexEntryPrevious(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 16);
}

/** Whole seconds from the file's begin time, as an entry holds them: 0 for what lies before it or has no begin time. */
export function indexSeconds(storedAt: number, beginTime: number): number {
  if (beginTime <= 0 || storedAt <= beginTime) return 0;
  return Math.min(Math.floor((storedAt - beginTime) / 1_000), 0x7fffffff);
}

/** The hash of `topic#key` as the index keeps it: its absolute value, and 0 for the one that has none in 32 bits. */
export function indexHashOf(hash: number): number {
  return hash >= 0 ? hash : hash === -2_147_483_648 ? 0 : -hash;
}

export function indexKeyHash(topic: string, key: string): number {
  return indexHashOf(javaHash(key, javaHash('#', javaHash(topic))));
}

/** yyyyMMddHHmmssSSS in the local time zone. */
export function indexFileName(time: number): string {
  const date = new Date(time);
  const parts: readonly (readonly [number, number])[] = [
    [date.getFullYear(), 4],
    [date.getMonth() + 1, 2],
    [date.getDate(), 2],
    [date.getHours(), 2],
    [date.getMinutes(), 2],
    [date.getSeconds(), 2],
    [date.getMilliseconds(), 3],
  ];
  return parts.map(([value, digits]) => String(value).padStart(digits, '0')).join('');
}

/**
 * The time an index file is named after; `undefined` unless the name is 17 digits. Any 17 digits will do: a name may have been
 * counted up from the one before it, past the 59th second, and RocketMQ asks for no more.
 */
export function parseIndexFileName(name: string): number | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{3})$/.exec(name);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millisecond = 0] = match.slice(1).map(Number);
  const date = new Date(2000, 0, 1, hour, minute, second, millisecond);
  date.setFullYear(year, month - 1, day);
  return date.getTime();
}

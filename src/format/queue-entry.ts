/**
 * An entry of a queue: entry n lies at byte 20 n of the queue.
 *
 *   0  i64 physicalOffset    8  i32 recordBytes    12  i64 tagsCode
 *
 * A queue whose first entry is not number 0 of its file has pre-fill entries before it: offset 0, size 2^31 - 1, code 0.
 */
export const queueEntryBytes = 20;
/** As many entries as a damaged block of the disk (4 KiB) can hold, and some. */
export const damagedEntryCountMax = 256;
/** The size in a pre-fill entry. */
const prefillRecordBytes = 0x7fffffff;

const two32 = 4_294_967_296;

export function writeQueueEntry(into: Buffer, at: number, physicalOffset: number, recordBytes: number, tagsCode: number): void {
  const offsetHigh = Math.floor(physicalOffset / two32);
  putInt32(into, at, offsetHigh);
  putInt32(into, at + 4, physicalOffset - offsetHigh * two32);
  putInt32(into, at + 8, recordBytes);
  const codeHigh = Math.floor(tagsCode / two32);
  putInt32(into, at + 12, codeHigh);
  putInt32(into, at + 16, tagsCode - codeHigh * two32);
}

/** Four plain stores: quicker than the checked call, and callers write thousands in a row. */
function putInt32(into: Buffer, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

/** May be negative, or beyond the safe integers, in a damaged entry. */
export function entryPhysicalOffset(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * two32 + bytes.readUInt32BE(at + 4);
}

export function entryRecordBytes(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 8);
}

export function entryTagsCode(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 12) * two32 + bytes.readUInt32BE(at + 16);
}

/** Writes `count` pre-fill entries from `at` on. */
export function writePrefill(into: Buffer, at: number, count: number): void {
  for (let i = 0; i < count; i += 1) writeQueueEntry(into, at + queueEntryBytes * i, 0, prefillRecordBytes, 0);
}

export function isPrefill(bytes: Buffer, at: number): boolean {
  return entryRecordBytes(bytes, at) === prefillRecordBytes && entryPhysicalOffset(bytes, at) === 0 && entryTagsCode(bytes, at) === 0;
}

/** Zeros, damage or pre-fill: where a queue should have an entry, none that leads anywhere. */
export function leadsNowhere(bytes: Buffer, at: number): boolean {
  return isEmptyEntry(bytes, at) || isPrefill(bytes, at);
}

/** All zeros or damage: nothing that could be an entry. */
export function isEmptyEntry(bytes: Buffer, at: number): boolean {
  return entryRecordBytes(bytes, at) <= 0 || entryPhysicalOffset(bytes, at) < 0;
}

import { corrupt, ioError, type StoreError, systemErrorCode } from '../base/errors.js';
import { isLargeRecord, TRUSTED_RECORD_BYTES } from '../commit-log/large-record.js';
import type { RecordKind, RecordView } from '../format/record-view.js';
import type { ReadView } from './read-view.js';

/** Neighbours in the log are read together up to this. */
export const SPAN_BYTES: number = 1024 * 1024;
/** Up to here a buffer of one's own is as cheap as one from the pool; and a thousand readers woken at once take no more than they read. */
const OWN_BYTES_MAX = 64 * 1024;
const POOLED_COUNT_MAX = 4;
const FIRST_LOOK_BYTES = 2048;

const pool: Buffer[] = [];

/** A buffer of at least `bytesMin` to read into. Whoever takes one gives it back, or lets it go. */
export function takeBuffer(bytesMin: number): Buffer {
  if (bytesMin <= OWN_BYTES_MAX) return Buffer.allocUnsafe(bytesMin);
  if (bytesMin > SPAN_BYTES) return Buffer.allocUnsafeSlow(bytesMin);
  return pool.pop() ?? Buffer.allocUnsafeSlow(SPAN_BYTES);
}

/** Nobody looks at the buffer any more. */
export function giveBuffer(buffer: Buffer): void {
  if (buffer.length === SPAN_BYTES && pool.length < POOLED_COUNT_MAX) pool.push(buffer);
}

const noBytes: Buffer = Buffer.alloc(0);

/** Has a record that is kept for later let go of the bytes that it looked at last. */
export function forgetBytes(record: RecordView): void {
  record.read(noBytes, 0, 0);
}

/** The log is damaged at `offset`. */
export function damagedLog(view: ReadView, offset: number, what: string): StoreError {
  const base = view.segments.baseOf(offset);
  return corrupt(view.segments.pathOf(base), offset - base, what);
}

/**
 * Fills `into[0, bytes)` from `offset` on, all of it within one segment; the caller has bounded `bytes` by that. False: retention has
 * deleted the segment, before the call or while it read. CORRUPT where the file is missing or short.
 */
export async function readLog(view: ReadView, into: Buffer, offset: number, bytes: number): Promise<boolean> {
  const { segments } = view;
  const base = segments.baseOf(offset);
  if (!segments.has(base)) return gone(view, offset);
  let readBytes: number;
  try {
    readBytes = await view.smallReads.read(into.subarray(0, bytes), offset);
  } catch (error) {
    // Closed or deleted under us: the file's own error would only confuse.
    view.assertReadable();
    if (!segments.has(base)) return gone(view, offset);
    if (systemErrorCode(error) === 'ENOENT') throw damagedLog(view, offset, 'the segment is missing');
    throw ioError(`reading ${segments.pathOf(base)}`, error);
  }
  if (!segments.has(base)) return gone(view, offset);
  if (readBytes < bytes) throw damagedLog(view, offset + readBytes, 'the segment is too short');
  return true;
}

function gone(view: ReadView, offset: number): false {
  if (offset >= view.segments.minOffset && view.segments.bases.length > 0) throw damagedLog(view, offset, 'the segment is missing');
  return false;
}

/**
 * Reads the record at `offset`, wherever that points, into memory and `record`. `gone`: deleted by retention, or above what readers may see.
 * The bytes stay valid until the buffer that `use` is given is given back, i.e. during `use`.
 */
export async function withRecordAt<T>(
  view: ReadView,
  record: RecordView,
  offset: number,
  use: (kind: RecordKind | 'gone', bytes: Buffer) => T,
): Promise<T> {
  const { segments } = view;
  const end = Math.min(view.visible(), segments.baseOf(offset) + segments.segmentBytes);
  let buffer = takeBuffer(FIRST_LOOK_BYTES);
  try {
    let bytes = Math.min(FIRST_LOOK_BYTES, end - offset);
    for (;;) {
      if (offset < segments.minOffset || bytes <= 0) return use('gone', buffer);
      if (!(await readLog(view, buffer, offset, bytes))) return use('gone', buffer);
      const kind = record.read(buffer, 0, bytes);
      // What the record claims is believed only as far as the segment goes.
      if (kind !== 'invalid' || record.bytesNeeded <= bytes || record.bytesNeeded > end - offset) return use(kind, buffer);
      bytes = record.bytesNeeded;
      if (bytes > TRUSTED_RECORD_BYTES && !(await isLargeRecord(segments, offset, bytes))) return use(kind, buffer);
      if (bytes > buffer.length) {
        giveBuffer(buffer);
        buffer = takeBuffer(bytes);
      }
    }
  } finally {
    giveBuffer(buffer);
  }
}

/**
 * A queue does not lead to its records: has it rebuilt. That it could not be is no reason not to look again, because somebody else may have
 * done it since; and what is wrong with the log will be said by whoever meets it then.
 */
export async function mendQueue(view: ReadView, slot: number): Promise<void> {
  await view.mendQueue(slot).catch(() => false);
  view.assertReadable();
}

/** After the current turn of the event loop. */
export function turn(view: ReadView): Promise<void> {
  return new Promise((resolve) => {
    view.clock.nextTurn(resolve);
  });
}

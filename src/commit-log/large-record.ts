import { crc32 } from '../base/checksum.js';
import { recordHeadBytesMax } from '../format/record-layout.js';
import { RecordView } from '../format/record-view.js';
import type { LogSegments } from './log-segments.js';

/** What a record claims of its size is believed up to here: the largest body by default and its properties, twice. */
export const TRUSTED_RECORD_BYTES: number = 8 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
/**
 * Whether the log really holds a record of `recordBytes` at `offset`: read in pieces, so that a few forged bytes do not have memory taken
 * for all that they claim. For records larger than `TRUSTED_RECORD_BYTES`, before they are read as a whole.
 */
export async function isLargeRecord(segments: LogSegments, offset: number, recordBytes: number): Promise<boolean> {
  try {
    return await isThere(segments, offset, recordBytes);
  } catch {
    // What is wrong with the file is said by the read that follows.
    return true;
  }
}

async function isThere(segments: LogSegments, offset: number, recordBytes: number): Promise<boolean> {
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  const view = new RecordView();
  if ((await segments.read(piece.subarray(0, recordHeadBytesMax), offset)) < recordHeadBytesMax) return false;
  view.read(piece, 0, recordHeadBytesMax);
  if (view.bytesNeeded !== recordBytes || view.physicalOffset !== offset) return false;
  const { bodyCrc } = view;
  const bodyLengthAt = view.storeHostEnd + 12;
  const bodyEnd = offset + bodyLengthAt + 4 + piece.readInt32BE(bodyLengthAt);
  let crc = 0;
  for (let at = offset + bodyLengthAt + 4; at < bodyEnd; ) {
    const wanted = Math.min(PIECE_BYTES, bodyEnd - at);
    const count = await segments.read(piece.subarray(0, wanted), at);
    if (count < wanted) return false;
    crc = crc32(piece, 0, count, crc);
    at += count;
  }
  if ((crc & 0x7fffffff) !== bodyCrc) return false;
  // A body's last bytes are in the file, so are these; what they hold is looked at with the rest.
  return (await segments.read(piece.subarray(0, 1), offset + recordBytes - 1)) === 1;
}

import { isAllZero } from '../base/bytes.js';
import type { Segment } from '../segment/segment.js';

const CHUNK_BYTES = 256 * 1024;
const PAGE_BYTES = 4096;

/**
 * Clears [from, to) of the log on disk and syncs it. Pages that are zero already are left alone: on a full disk a hole could not
 * be filled, and need not be.
 */
export async function zeroRange(segments: readonly Segment[], from: number, to: number): Promise<void> {
  for (const segment of segments) {
    const start = Math.max(from, segment.baseOffset) - segment.baseOffset;
    const end = Math.min(to, segment.endOffset) - segment.baseOffset;
    if (start >= end) continue;
    await zeroInFile(segment, start, end);
    await segment.file.sync('data');
  }
}

async function zeroInFile(segment: Segment, start: number, end: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const zeros = Buffer.alloc(CHUNK_BYTES);
  for (let at = start; at < end; ) {
    const bytes = await segment.file.read(chunk.subarray(0, Math.min(CHUNK_BYTES, end - at)), at);
    if (bytes === 0) return;
    // Neighbouring pages that hold something go in one write.
    let dirtyFrom = -1;
    for (let i = 0; i < bytes; ) {
      const pageEnd = Math.min(bytes, i + PAGE_BYTES - ((at + i) % PAGE_BYTES));
      const isZero = isAllZero(chunk, i, pageEnd);
      if (!isZero && dirtyFrom < 0) dirtyFrom = i;
      const dirtyTo = isZero ? i : pageEnd;
      if (dirtyFrom >= 0 && (isZero || pageEnd === bytes)) {
        await segment.file.write([zeros.subarray(dirtyFrom, dirtyTo)], at + dirtyFrom);
        dirtyFrom = -1;
      }
      i = pageEnd;
    }
    at += bytes;
  }
}

import { queueEntryBytes, writePrefill } from '../format/queue-entry.js';

const pieceEntries = 3276;
const pieceBytes = pieceEntries * queueEntryBytes;
let piece: Buffer | undefined;

/**
 * The bytes before the first entry of a queue that does not start at the start of a file: blank entries, which a broker takes
 * for entries of records long gone, where it would take zeros for the end of the queue. Parts of one gathering write; they
 * share memory.
 */
export function prefillParts(bytes: number): Buffer[] {
  if (piece === undefined) {
    piece = Buffer.alloc(pieceBytes);
    writePrefill(piece, 0, pieceEntries);
  }
  const parts: Buffer[] = [];
  for (let left = bytes; left > 0; left -= pieceBytes) parts.push(left >= pieceBytes ? piece : piece.subarray(0, left));
  return parts;
}

import { formatByteRate, formatMs, formatRate, perSecond } from '../common/numbers.js';
import { runRawWrites, type RawResult } from '../common/raw-writes.js';
import { printLine, printRow } from './print.js';
import { defaultSegmentBytes, type ReplayResult } from './replay.js';

/** Pieces in which the operating system takes bytes about as quickly as it can. */
const largePieceBytes = 1024 ** 2;

/**
 * The second half of step 2: what the replay cost, beside bare loops that write as many bytes into fresh sparse files of the same
 * length in the same directory, in the same run.
 */
export async function compareWithRawLoop(directory: string, result: ReplayResult): Promise<void> {
  const common = { directory, totalBytes: result.recordBytes, fileBytes: defaultSegmentBytes, sync: 'none' as const };
  const small = await runRawWrites({ ...common, pieceBytes: result.recordBytesMean });
  const large = await runRawWrites({ ...common, pieceBytes: Math.min(largePieceBytes, result.recordBytes) });
  printRow(
    'store',
    formatRate(result.count, result.durationMs, 'messages'),
    byteRates(result.recordBytes, result.durationMs, result.flushMs),
  );
  printRow('bare loop, a write per message', formatRate(small.pieceCount, small.durationMs, 'writes'), rawByteRates(small));
  printRow('bare loop, a write per MiB', formatRate(large.pieceCount, large.durationMs, 'writes'), rawByteRates(large));
  const ratio = perSecond(result.recordBytes, result.durationMs) / perSecond(small.bytes, small.durationMs);
  printRow('store / a write per message', `${ratio.toFixed(2)} x`, 'the store also encodes, checksums, indexes and acknowledges each one');
  printLine('The bare loops write the same number of bytes and nothing else: no format, queue, key index, checksum or receipt.');
}

function rawByteRates(raw: RawResult): string {
  return byteRates(raw.bytes, raw.durationMs, raw.finalSyncMs);
}

function byteRates(bytes: number, durationMs: number, syncMs: number): string {
  return `${formatByteRate(bytes, durationMs).padStart(11)}; on the disk ${formatMs(syncMs)} later (${formatByteRate(bytes, durationMs + syncMs)})`;
}

import { Command } from 'commander';
import { directoryHelp, runLoadProgram } from '../common/load-program.js';
import { formatBytes, formatCount, median } from '../common/numbers.js';
import { wholeNumber } from '../common/option-values.js';
import { type LimitOptions, type Limits, measureLimits } from './limits-round.js';

/** What the machine can do without any store: the figures that no store in this directory can beat. */
interface LimitsResult {
  readonly medians: Limits;
  readonly rounds: readonly Limits[];
}

const options = new Command('limits')
  .description('Bare writes, syncs, reads and copies: what the disk, the kernel and the memory give at most.')
  .option('--total-bytes <n>', 'of the sequential write', wholeNumber(1), 1024 ** 3)
  .option('--synced-piece-bytes <n>', 'of one write with its own fdatasync', wholeNumber(1), 300)
  .option('--sync-seconds <n>', 'of each such loop', wholeNumber(1), 2)
  .option('--rounds <n>', 'of everything', wholeNumber(1), 5)
  .option('--directory <path>', directoryHelp)
  .allowExcessArguments(false)
  .parse()
  .opts<LimitOptions & { readonly rounds: number; readonly directory?: string }>();

async function work(directory: string): Promise<LimitsResult> {
  const rounds = Array.from({ length: options.rounds }, () => measureLimits(directory, options));
  const of = (name: keyof Limits): number => median(rounds.map((round) => round[name]));
  const medians: Limits = {
    writeBytesPerSecond: of('writeBytesPerSecond'),
    writeAndSyncBytesPerSecond: of('writeAndSyncBytesPerSecond'),
    syncsPerSecondSparse: of('syncsPerSecondSparse'),
    syncsPerSecondPreallocated: of('syncsPerSecondPreallocated'),
    overwriteBytesPerSecond: of('overwriteBytesPerSecond'),
    cachedReadBytesPerSecond: of('cachedReadBytesPerSecond'),
    copyBytesPerSecond: of('copyBytesPerSecond'),
  };
  return { medians, rounds };
}

function describe({ medians }: LimitsResult): readonly string[] {
  return [
    `sequential write ${formatBytes(medians.writeBytesPerSecond)}/s into the page cache, ${formatBytes(medians.writeAndSyncBytesPerSecond)}/s to the disk`,
    `write of ${options.syncedPieceBytes} B + fdatasync: ${formatCount(medians.syncsPerSecondSparse)}/s in a sparse file, ${formatCount(medians.syncsPerSecondPreallocated)}/s in one written before`,
    `page cache: ${formatBytes(medians.overwriteBytesPerSecond)}/s written over, ${formatBytes(medians.cachedReadBytesPerSecond)}/s read; memory to memory ${formatBytes(medians.copyBytesPerSecond)}/s`,
  ];
}

await runLoadProgram({ name: 'limits', options, work, describe });

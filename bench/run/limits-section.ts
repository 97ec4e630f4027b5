import type { Limits } from '../load/limits-round.js';
import type { Section } from '../page/figures.js';
import { command, type RunContext, type SectionMaker } from './section-maker.js';

async function limits(context: RunContext): Promise<Section> {
  const words = context.quick
    ? ['--total-bytes', '128mi', '--rounds', 1, '--sync-seconds', 1]
    : ['--total-bytes', '512mi', '--rounds', 5, '--sync-seconds', 1];
  const { medians } = (await context.program('load/limits', words)) as { readonly medians: Limits };
  return {
    name: 'limits',
    title: 'What this machine can do at all',
    about: [
      'Bare loops without any store. No store can write to this disk faster than the first lines say, nor have one message at a time on the disk more often than the sync loops.',
    ],
    commands: [command('limits', words)],
    charts: [],
    bars: [
      {
        title: 'Bytes in a second',
        unit: 'bytes/s',
        better: 'neither',
        bars: [
          { name: 'memory to memory', value: medians.copyBytesPerSecond },
          { name: 'read from the page cache', value: medians.cachedReadBytesPerSecond },
          { name: 'written over pages in the page cache', value: medians.overwriteBytesPerSecond },
          { name: 'written to a fresh file, disk not waited for', value: medians.writeBytesPerSecond },
          { name: 'written to a fresh file, disk waited for at the end', value: medians.writeAndSyncBytesPerSecond },
        ],
      },
      {
        title: 'Writes of 300 B with an fdatasync each, in a second',
        unit: 'calls/s',
        better: 'neither',
        bars: [
          { name: 'in a file whose blocks were written before', value: medians.syncsPerSecondPreallocated },
          { name: 'in a sparse file', value: medians.syncsPerSecondSparse },
        ],
      },
    ],
    tables: [],
  };
}

export const limitsSection: SectionMaker = { name: 'limits', title: 'What this machine can do at all', make: limits };

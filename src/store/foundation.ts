import { QueueRegistry } from '../base/queue-registry.js';
import { LogSegments } from '../commit-log/log-segments.js';
import { ConsumeQueues } from '../consume-queue/consume-queues.js';
import { KeyIndex } from '../key-index/key-index.js';
import type { Platform } from '../platform/platform.js';
import type { KeptOptions } from '../recovery/manifest.js';
import { StorePaths } from '../recovery/side-files.js';
import { OpenFiles } from '../segment/open-files.js';
import type { ResolvedOptions } from './options.js';

/** What both the writer and recovery stand on. */
export interface Foundation {
  readonly directory: string;
  readonly options: ResolvedOptions;
  readonly kept: KeptOptions;
  readonly platform: Platform;
  readonly paths: StorePaths;
  readonly files: OpenFiles;
  readonly registry: QueueRegistry;
  readonly segments: LogSegments;
  readonly queues: ConsumeQueues;
  readonly index: KeyIndex | undefined;
}

export function buildFoundation(directory: string, options: ResolvedOptions, kept: KeptOptions, platform: Platform): Foundation {
  const paths = new StorePaths(directory);
  const { fs, clock } = platform;
  const files = new OpenFiles(fs, options.openFilesMax);
  const registry = new QueueRegistry();
  const segments = new LogSegments({
    fs,
    files,
    directory: paths.commitLog,
    makingDirectory: paths.making,
    segmentBytes: kept.segmentBytes,
  });
  const queues = new ConsumeQueues({
    directory: paths.consumeQueue,
    rebuildDirectory: paths.rebuild,
    entriesPerFile: kept.queueEntriesPerFile,
    fs,
    files,
    registry,
  });
  const index = options.keyIndex
    ? new KeyIndex({
        directory: paths.index,
        asideDirectory: paths.aside,
        slotCount: kept.indexSlotCount,
        entryCount: kept.indexEntryCount,
        fs,
        files,
        nowMs: () => clock.nowMs(),
        nextTurn: (callback) => clock.nextTurn(callback),
      })
    : undefined;
  return { directory, options, kept, platform, paths, files, registry, segments, queues, index };
}

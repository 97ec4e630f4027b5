import { queueEntryBytes } from '../format/queue-entry.js';
import { parseSegmentName } from '../format/segment-name.js';
import { listFolder } from '../platform/list-folder.js';
import type { FileSystem } from '../platform/platform.js';
import { type Examination, sizeOf } from '../recovery/examine.js';
import type { KeptOptions } from '../recovery/manifest.js';
import type { StorePaths } from '../recovery/side-files.js';

/**
 * Of a store that another broker made: the sizes that its files show. What cannot be read now is no reason to guess, since the sizes are
 * kept for good.
 */
export async function foreignSizes(fs: FileSystem, paths: StorePaths, found: Examination): Promise<Partial<KeptOptions>> {
  const first = found.segments.find((segment) => segment.sizeBytes > 0);
  const queueFileBytes = await firstQueueFileBytes(fs, paths);
  return {
    ...(first === undefined ? {} : { segmentBytes: first.sizeBytes }),
    ...(queueFileBytes === undefined ? {} : { queueEntriesPerFile: queueFileBytes / queueEntryBytes }),
  };
}

async function firstQueueFileBytes(fs: FileSystem, paths: StorePaths): Promise<number | undefined> {
  for (const topic of listFolder(fs, paths.consumeQueue)) {
    for (const queueId of listFolder(fs, `${paths.consumeQueue}/${topic}`)) {
      const folder = `${paths.consumeQueue}/${topic}/${queueId}`;
      for (const name of listFolder(fs, folder)) {
        if (parseSegmentName(name) === undefined) continue;
        const sizeBytes = await sizeOf(fs, `${folder}/${name}`);
        if (sizeBytes !== undefined && sizeBytes > 0 && sizeBytes % queueEntryBytes === 0) return sizeBytes;
      }
    }
  }
  return undefined;
}

import type { Control } from '../control.js';

/** Controls of what has to be on the disk before something else is. */
export const durabilityControls: readonly Control[] = [
  {
    name: 'directory-of-the-log-not-synced',
    breaks: 'A new segment is moved into the log and its directory is not synced.',
    promise: 'A file is only as durable as the directory entry that leads to it.',
    file: 'src/commit-log/log-segments.ts',
    find: '      await this.#fs.syncDirectory(this.#directory);\n      segment.linked = true;',
    replace: '      segment.linked = true;',
    caughtBy: { simulation: 1000 },
  },
  {
    name: 'receipt-before-the-new-segment-has-its-name',
    breaks: 'Records in a new segment are acknowledged and synced while it still has its temporary name.',
    promise: 'No receipt for a record in a new segment before the segment has its name, durably.',
    file: 'src/commit-log/unlinked-segments.ts',
    find: '    return this.#unlinked[0]?.baseOffset ?? Number.POSITIVE_INFINITY;',
    replace: '    return Number.POSITIVE_INFINITY;',
    caughtBy: { simulation: 3000 },
  },
  {
    name: 'state-before-the-queues',
    breaks: 'The state file vouches for queue entries that were written and not synced.',
    promise: 'A checkpoint comes only after all that it vouches for has been synced.',
    file: 'src/consume-queue/unsynced-queues.ts',
    find: "        await file.sync('data');\n",
    replace: '',
    caughtBy: { simulation: 3000 },
  },
  {
    name: 'state-ahead-of-the-log',
    breaks: 'A safe point does not wait for the log to be durable as far as it speaks of it.',
    promise: 'A checkpoint comes only after all that it vouches for has been synced.',
    file: 'src/dispatch/safe-point.ts',
    find: '    await log.flush();\n',
    replace: '',
    caughtBy: { simulation: 3000 },
  },
  {
    name: 'index-ahead-of-the-log',
    breaks: 'Index entries of records that are not durable yet are written and vouched for.',
    promise: 'Only entries of durable records are written to the key index.',
    file: 'src/dispatch/safe-point.ts',
    find: `    await log.flush();
    const files = await index?.sync(Math.min(log.flushed, this.#options.dispatched()));`,
    replace: `    const files = await index?.sync(this.#options.dispatched());
    await log.flush();`,
    caughtBy: { simulation: 10_000 },
  },
  {
    name: 'watermark-ahead-of-the-sync',
    breaks: 'The watermark names the last record that was written, whether the sync covered it or not.',
    promise: 'The watermark can lag behind what is durable; it never leads.',
    file: 'src/commit-log/commit-log.ts',
    find: 'if (lastRecord !== undefined && lastRecord.end <= to) this.#lastSyncedRecord = lastRecord;',
    replace: 'this.#lastSyncedRecord = this.#appender.writer.lastRecord ?? lastRecord;',
    caughtBy: { simulation: 3000 },
  },
  {
    name: 'small-files-replaced-without-sync',
    breaks: 'Manifest and state are renamed into place before their bytes are on the disk.',
    promise: 'Small files: temporary file, sync, rename, sync of the directory.',
    file: 'src/recovery/side-files.ts',
    find: `    if (bytes.length > 0) await file.write([bytes], 0);
    await file.sync('all');`,
    replace: '    if (bytes.length > 0) await file.write([bytes], 0);',
    caughtBy: { simulation: 3000 },
  },
  {
    name: 'abort-file-not-made',
    breaks: 'Opening leaves no sign on the disk that the store is in use.',
    promise: 'A clean end is believed only where nobody has opened the store since.',
    file: 'src/store/open-writer.ts',
    find: `  await fs.syncDirectory(paths.own);
  await fs.syncDirectory(paths.root);
}`,
    replace: `  await fs.remove(paths.abort);
  await fs.syncDirectory(paths.own);
  await fs.syncDirectory(paths.root);
}`,
    caughtBy: { simulation: 10_000 },
  },
  {
    name: 'empty-segment-visible-in-the-log',
    breaks: 'The next segment is made in `commitlog/` itself, empty, before anything is written to it.',
    promise: 'No empty segment is ever visible in `commitlog/`: a stock broker that meets one deletes it.',
    file: 'src/commit-log/log-segments.ts',
    find: '    return `${this.#makingDirectory}/${segmentName(base)}`;',
    replace: '    return this.pathOf(base);',
    caughtBy: { kill: 100 },
  },
  {
    name: 'deleted-segment-not-noticed',
    breaks: 'Nobody looks whether the segment being written still has a name.',
    promise: 'What is synced into a file that somebody has deleted is not acknowledged.',
    file: 'src/commit-log/commit-log.ts',
    find: '    if (last !== undefined && last.file.linkCount() < 1) throw',
    replace: '    if (last !== undefined && last.file.linkCount() < -1) throw',
    caughtBy: { 'io-errors': 100 },
  },
];

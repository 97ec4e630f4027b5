import type { Control } from '../control.js';

/** Of the named tests those that make snapshots. */
const snapshotTests: readonly string[] = ['test/store/snapshot.test.ts', 'test/contract/snapshot.test.ts', 'test/contract/faults.test.ts'];

/**
 * Controls that nothing shows but the failure of one particular call, late in a long procedure: what the sweep is for. `seedFrom` is the
 * slice of the sweep in which that call is; it moves when the calls before it change.
 */
export const failingCallControls: readonly Control[] = [
  {
    name: 'file-left-open-where-its-size-is-not-told',
    breaks: 'A snapshot, or an opening, that cannot be told the size of a file does not close that file.',
    promise: 'Whatever fails, no descriptor is left open.',
    file: 'src/recovery/examine.ts',
    find: `    try {
      return file.sizeBytes();
    } finally {
      await file.close();
    }`,
    replace: `    const bytes = file.sizeBytes();
    await file.close();
    return bytes;`,
    caughtBy: { sweep: 3 },
    seedFrom: { sweep: 435 },
    tests: snapshotTests,
  },
  {
    name: 'snapshot-without-its-name',
    breaks: 'A snapshot counts as made although the rename to its final name has failed.',
    promise: 'A position moves only after the call that justifies it has returned.',
    file: 'src/store/snapshot.ts',
    find: 'await fs.rename(copy, this.#target);',
    replace: 'await fs.rename(copy, this.#target).catch(() => undefined);',
    caughtBy: { sweep: 3 },
    seedFrom: { sweep: 224 },
    tests: snapshotTests,
  },
  {
    name: 'name-of-a-snapshot-not-durable',
    breaks: 'A snapshot counts as made although its parent directory could not be synced.',
    promise: 'A file is only as durable as the directory entry that leads to it.',
    file: 'src/store/snapshot.ts',
    find: 'await fs.syncDirectory(dirname(this.#target));',
    replace: 'await fs.syncDirectory(dirname(this.#target)).catch(() => undefined);',
    caughtBy: { sweep: 3 },
    seedFrom: { sweep: 231 },
    tests: snapshotTests,
  },
  {
    name: 'copy-left-open-where-its-size-is-not-told',
    breaks: 'A snapshot that cannot be told the size of a file that it has copied does not close that file.',
    promise: 'Whatever fails, no descriptor is left open.',
    file: 'src/store/snapshot-files.ts',
    find: `    try {
      if (file.sizeBytes() < fullBytes) await`,
    replace: `    const isShort = file.sizeBytes() < fullBytes;
    try {
      if (isShort) await`,
    caughtBy: { sweep: 3 },
    seedFrom: { sweep: 439 },
    tests: snapshotTests,
  },
  {
    name: 'closing-of-a-copied-file-not-awaited',
    breaks: 'A snapshot does not wait until the side files that it has written are closed.',
    promise: 'Every failure is told to a caller; none is a rejection that nobody handles.',
    file: 'src/store/snapshot-files.ts',
    find: `      await file.write([bytes], 0);
      await file.sync('all');
    } finally {
      await file.close();
    }`,
    replace: `      await file.write([bytes], 0);
      await file.sync('all');
    } finally {
      void file.close();
    }`,
    caughtBy: { sweep: 3 },
    seedFrom: { sweep: 445 },
    tests: snapshotTests,
  },
];

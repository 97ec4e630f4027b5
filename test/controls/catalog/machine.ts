import type { Control } from '../control.js';
import { machineTests } from './machine-tests.js';

/** Controls of the way down to the machine: what a disk in memory cannot show. */
export const machineControls: readonly Control[] = [
  {
    name: 'fdatasync-left-out',
    breaks: 'A sync of data returns without asking the kernel.',
    promise: 'What was acknowledged with `sync` is there after a power cut.',
    file: 'src/platform/node-file.ts',
    find: "? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))",
    replace: "? this.#call('fdatasync', (_fd, done: Done<void>) => setImmediate(() => done(null, undefined)))",
    caughtBy: { power: 20 },
  },
  {
    name: 'all-syncs-left-out',
    breaks: 'No sync of a file, and none of a directory, reaches the kernel.',
    promise: 'What was acknowledged with `sync` is there after a power cut.',
    file: 'src/platform/node-file.ts',
    find: `    return kind === 'data'
      ?`,
    replace: `    if (kind.length > 0) return Promise.resolve();
    return kind === 'data'
      ?`,
    caughtBy: { power: 20 },
  },
  {
    name: 'write-kept-in-the-process',
    breaks: 'A synchronous write is kept in the memory of the process until the next call on any file.',
    promise: 'What was acknowledged is there after the process was killed.',
    file: 'src/platform/node-file.ts',
    find: "    this.#callSync('write', (fd) => writeAllSync(fd, parts, at));",
    replace: `    writeHeld();
    const copies = parts.map((part) => Uint8Array.from(part));
    held.push(() => writeAllSync(this.#fd, copies, at));
    setTimeout(writeHeld, 50);`,
    also: [
      {
        find: `/** Node leaves the path out where`,
        replace: `const held: (() => void)[] = [];
function writeHeld(): void {
  for (const write of held.splice(0)) write();
}

/** Node leaves the path out where`,
      },
      {
        find: "    if (this.#closing !== undefined) throw systemError('EBADF', syscall, this.path);",
        replace: "    writeHeld();\n    if (this.#closing !== undefined) throw systemError('EBADF', syscall, this.path);",
      },
      {
        find: '    if (this.#closing !== undefined) return Promise.reject(',
        replace: '    writeHeld();\n    if (this.#closing !== undefined) return Promise.reject(',
      },
      { find: '    this.#closing ??= this.#closeWhenIdle();', replace: '    writeHeld();\n    this.#closing ??= this.#closeWhenIdle();' },
    ],
    caughtBy: { kill: 60 },
    tests: machineTests,
  },
  {
    name: 'pool-write-resolves-early',
    breaks: 'An asynchronous write resolves when it is handed to the thread pool.',
    promise: 'What was acknowledged is there after the process was killed.',
    file: 'src/platform/node-file.ts',
    find: "    return this.#call('write', (fd, done: Done<void>) => writeAll(fd, parts, at, done));",
    replace: `    const copies = parts.map((part) => Uint8Array.from(part));
    this.#callsInFlight += 1;
    setTimeout(() => {
      this.#callsInFlight -= 1;
      writeAllSync(this.#fd, copies, at);
      if (this.#callsInFlight === 0) this.#idle?.();
    }, 20);
    return Promise.resolve();`,
    caughtBy: { tests: 1 },
    tests: ['test/platform/node-file-system.test.ts', 'test/platform/node-conformance.test.ts'],
  },
  {
    name: 'short-write-taken-for-whole',
    breaks: 'When the kernel takes only a part of the bytes, the rest is forgotten.',
    promise: 'A disk that is nearly full costs an error, never bytes.',
    file: 'src/platform/full-transfer.ts',
    find: '  if (count === rest.bytes) return { parts: [], bytes: 0, at: rest.at + count };',
    replace: '  if (count > 0) return { parts: [], bytes: 0, at: rest.at + count };',
    caughtBy: { full: 4 },
    tests: machineTests,
  },
  {
    name: 'full-disk-never-over',
    breaks: 'A store that has found the disk full refuses appends until it is opened again.',
    promise: 'After a full disk has been freed, appends go on without reopening.',
    file: 'src/store/engine.ts',
    find: '    return this.diskGuard.check(this.log.appendedBytes);',
    replace: '    return this.log.diskFull ?? this.diskGuard.check(this.log.appendedBytes);',
    caughtBy: { full: 8 },
  },
  {
    name: 'full-disk-not-told-by-the-pool',
    breaks: 'A write of the thread pool that finds the disk full counts as done.',
    promise: 'A position moves only after the call that justifies it has returned.',
    file: 'src/platform/full-transfer.ts',
    find: `      done(error, undefined);
      return;
    }
    let next: Rest;`,
    replace: `      done((error as NodeJS.ErrnoException).code === 'ENOSPC' ? null : error, undefined);
      return;
    }
    let next: Rest;`,
    caughtBy: { tests: 1 },
    tests: ['test/platform/full-device.test.ts'],
  },
  {
    name: 'failed-fdatasync-not-told',
    breaks: 'An error of fdatasync is swallowed.',
    promise: 'After a failed sync nothing more is acknowledged.',
    file: 'src/platform/node-file.ts',
    find: "? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))",
    replace: "? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, () => done(null, undefined)))",
    caughtBy: { tests: 1 },
    tests: ['test/platform/failed-sync.test.ts'],
  },
  {
    name: 'failed-fdatasync-tried-again',
    breaks: 'After a failed fdatasync the next one decides.',
    promise: 'A failed sync is final: the pages may be gone although the next sync reports success.',
    file: 'src/platform/node-file.ts',
    find: "? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))",
    replace: `? this.#call('fdatasync', (fd, done: Done<void>) =>
          fs.fdatasync(fd, (error) => (error === null ? done(null, undefined) : fs.fdatasync(fd, done as fs.NoParamCallback))),
        )`,
    caughtBy: { tests: 1 },
    tests: ['test/platform/failed-sync.test.ts'],
  },
  {
    name: 'lock-not-asked-for',
    breaks: 'Every process is told that it has the lock.',
    promise: 'One process has a directory at a time.',
    file: 'src/platform/directory-lock.ts',
    find: '    return native.tryLock(fd, 0, 1);',
    replace: '    return native.tryLock(fd, 0, 1) || fd > 0;',
    caughtBy: { races: 20 },
    tests: machineTests,
  },
  {
    name: 'lock-file-deleted-at-release',
    breaks: 'Whoever gives up the lock deletes its file: two others may then lock two files of one name.',
    promise: 'One process has a directory at a time.',
    file: 'src/platform/directory-lock.ts',
    find: '  return () => fs.closeSync(fd);',
    replace: '  return () => {\n    fs.rmSync(path, { force: true });\n    fs.closeSync(fd);\n  };',
    caughtBy: { tests: 1 },
    tests: ['test/platform/directory-lock.test.ts'],
  },
  {
    name: 'descriptors-not-closed',
    breaks: 'Closing a file leaves its descriptor open.',
    promise: 'The number of descriptors is bounded.',
    file: 'src/platform/node-file.ts',
    find: '      fs.close(this.#fd, (error) => (error === null || error === undefined ? resolve() : reject(named(error, this.path))));',
    replace: '      fs.fstat(this.#fd, (error) => (error === null || error === undefined ? resolve() : reject(named(error, this.path))));',
    caughtBy: { kill: 10 },
  },
  {
    name: 'monotonic-time-from-the-wall-clock',
    breaks: 'Elapsed time is measured by the wall clock.',
    promise: 'A clock that jumps changes neither order nor retention, and nothing waits for it.',
    file: 'src/platform/node-clock.ts',
    find: '    return performance.now();',
    replace: '    return Date.now();',
    caughtBy: { tests: 1 },
    tests: ['test/platform/node-clock.test.ts'],
  },
  {
    name: 'files-not-made-anew-after-a-failed-sync',
    breaks: 'After a failed sync the next opening writes the end of the log again in the same place, and nothing else.',
    promise: 'After a failed sync only a file that was made anew is sure to be on the disk.',
    file: 'src/recovery/failed-syncs.ts',
    find: '  if (!hasFailedSyncs(fs, paths)) return;',
    replace: '  if (durable >= 0 || !hasFailedSyncs(fs, paths)) return;',
    caughtBy: { 'io-errors': 12 },
  },
  {
    name: 'waits-for-a-descriptor-for-ever',
    breaks: 'Where no descriptor is left, opening a file tries again until there is one.',
    promise: 'Every call ends, with a typed error if it has to.',
    file: 'src/platform/node-file-system.ts',
    find: '    const fd = fs.openSync(path, openFlags[mode], fileMode);',
    replace: `    let fd = -1;
    while (fd < 0) {
      try {
        fd = fs.openSync(path, openFlags[mode], fileMode);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
      }
    }`,
    caughtBy: { limits: 4 },
    tests: machineTests,
  },
  {
    name: 'read-only-disk-not-told',
    breaks: 'A write that fails because the file system has become read-only counts as done.',
    promise: 'A position moves only after the call that justifies it has returned.',
    file: 'src/platform/node-file.ts',
    find: `      return run(this.#fd);
    } catch (error) {`,
    replace: `      return run(this.#fd);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EROFS') return undefined as T;`,
    also: [
      {
        find: '        if (error === null || error === undefined) resolve(value);',
        replace: "        if (error === null || error === undefined || (error as NodeJS.ErrnoException).code === 'EROFS') resolve(value);",
      },
    ],
    caughtBy: { limits: 12 },
    tests: machineTests,
  },
];

import type { Control } from '../control.js';

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
    breaks: 'A synchronous write returns at once and is made some milliseconds later, or before the next sync.',
    promise: 'What was acknowledged is there after the process was killed.',
    file: 'src/platform/node-file.ts',
    find: "    this.#callSync('write', (fd) => writeAllSync(fd, parts, at));",
    replace: `    const copies = parts.map((part) => Uint8Array.from(part));
    this.#callsInFlight += 1;
    setTimeout(() => {
      this.#callsInFlight -= 1;
      writeAllSync(this.#fd, copies, at);
      if (this.#callsInFlight === 0) this.#idle?.();
    }, 3);`,
    caughtBy: { kill: 60 },
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
    caughtBy: { kill: 200 },
  },
  {
    name: 'short-write-taken-for-whole',
    breaks: 'When the kernel takes only a part of the bytes, the rest is forgotten.',
    promise: 'A disk that is nearly full costs an error, never bytes.',
    file: 'src/platform/full-transfer.ts',
    find: '  if (count === rest.bytes) return { parts: [], bytes: 0, at: rest.at + count };',
    replace: '  if (count > 0) return { parts: [], bytes: 0, at: rest.at + count };',
    caughtBy: { full: 20 },
  },
  {
    name: 'full-disk-ends-the-store',
    breaks: 'A write that fails because the disk is full ends the store.',
    promise: 'After a full disk has been freed, appends go on without reopening.',
    file: 'src/platform/node-file.ts',
    find: "    error.message += ` '${path}'`;",
    replace: "    error.message += ` '${path}'`;\n    if ('code' in error && error.code === 'ENOSPC') error.code = 'EIO';",
    caughtBy: { full: 20 },
  },
  {
    name: 'failed-fdatasync-not-told',
    breaks: 'An error of fdatasync is swallowed.',
    promise: 'After a failed sync nothing more is acknowledged.',
    file: 'src/platform/node-file.ts',
    find: "? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))",
    replace: "? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, () => done(null, undefined)))",
    caughtBy: { 'io-errors': 100 },
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
    caughtBy: { 'io-errors': 100 },
  },
  {
    name: 'lock-not-asked-for',
    breaks: 'Every process is told that it has the lock.',
    promise: 'One process has a directory at a time.',
    file: 'src/platform/directory-lock.ts',
    find: '    return native.tryLock(fd, 0, 1);',
    replace: '    return native.tryLock(fd, 0, 1) || fd > 0;',
    caughtBy: { races: 100 },
  },
  {
    name: 'lock-file-deleted-at-release',
    breaks: 'Whoever gives up the lock deletes its file: two others may then lock two files of one name.',
    promise: 'One process has a directory at a time.',
    file: 'src/platform/directory-lock.ts',
    find: '  return () => fs.closeSync(fd);',
    replace: '  return () => {\n    fs.rmSync(path, { force: true });\n    fs.closeSync(fd);\n  };',
    caughtBy: { races: 2000 },
  },
  {
    name: 'descriptors-not-closed',
    breaks: 'Closing a file leaves its descriptor open.',
    promise: 'The number of descriptors is bounded.',
    file: 'src/platform/node-file.ts',
    find: '      fs.close(this.#fd, (error) => (error === null || error === undefined ? resolve() : reject(named(error, this.path))));',
    replace: '      fs.fstat(this.#fd, (error) => (error === null || error === undefined ? resolve() : reject(named(error, this.path))));',
    caughtBy: { limits: 20 },
  },
  {
    name: 'monotonic-time-from-the-wall-clock',
    breaks: 'Elapsed time is measured by the wall clock.',
    promise: 'A clock that jumps changes neither order nor retention, and nothing waits for it.',
    file: 'src/platform/node-clock.ts',
    find: '    return performance.now();',
    replace: '    return Date.now();',
    caughtBy: { limits: 50 },
  },
];

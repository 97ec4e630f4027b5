import type { Control } from '../control.js';
import { machineTests } from './machine-tests.js';

const heldWrites = [
  {
    find: `/** Node leaves the path out where`,
    replace: `const held: (() => void)[] = [];
function writeHeld(): void {
  for (const write of held.splice(0)) {
    try {
      write();
    } catch {
      // Nobody is there any more to be told.
    }
  }
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
] as const;

/** Controls of the way down to the machine that its disk, its kernel or its other processes alone can show. */
export const machineFaultControls: readonly Control[] = [
  {
    name: 'last-byte-of-a-write-kept-in-the-process',
    breaks: 'Of files below 128 KiB the last byte of a synchronous write is kept in the process until the next call on any file.',
    promise: 'What was acknowledged is there after the process was killed.',
    file: 'src/platform/node-file.ts',
    find: "    this.#callSync('write', (fd) => writeAllSync(fd, parts, at));",
    replace: `    const whole = Buffer.concat(parts);
    if (whole.length < 16 || fs.fstatSync(this.#fd).size > 131_072) {
      this.#callSync('write', (fd) => writeAllSync(fd, parts, at));
      return;
    }
    const last = Uint8Array.from(whole.subarray(-1));
    whole.fill(0, whole.length - 1);
    this.#callSync('write', (fd) => writeAllSync(fd, [whole], at));
    held.push(() => writeAllSync(this.#fd, [last], at + whole.length - 1));
    setTimeout(writeHeld, 50);`,
    also: heldWrites,
    caughtBy: { kill: 60 },
    tests: machineTests,
  },
  {
    name: 'first-bytes-of-a-write-kept-in-the-process',
    breaks: 'Of files below 128 KiB the first eight bytes of a synchronous write come last, with the next call on any file.',
    promise: 'What was acknowledged is there after the process was killed.',
    file: 'src/platform/node-file.ts',
    find: "    this.#callSync('write', (fd) => writeAllSync(fd, parts, at));",
    replace: `    const whole = Buffer.concat(parts);
    if (whole.length < 16 || fs.fstatSync(this.#fd).size > 131_072) {
      this.#callSync('write', (fd) => writeAllSync(fd, parts, at));
      return;
    }
    const first = Uint8Array.from(whole.subarray(0, 8));
    whole.fill(0, 0, 8);
    this.#callSync('write', (fd) => writeAllSync(fd, [whole], at));
    held.push(() => writeAllSync(this.#fd, [first], at));
    setTimeout(writeHeld, 50);`,
    also: heldWrites,
    caughtBy: { kill: 60 },
    tests: machineTests,
  },
  {
    name: 'sync-soon-after-another-left-out',
    breaks: 'A sync of data within 20 ms of the last one of the same file is taken for done.',
    promise: 'A sync covers what was written when it was issued.',
    file: 'src/platform/node-file.ts',
    find: "? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))",
    replace: `? performance.now() < this.#nextSyncMs
        ? Promise.resolve()
        : this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback)).then(() => {
            this.#nextSyncMs = performance.now() + 20;
          })`,
    also: [{ find: '  #idle: (() => void) | undefined;', replace: '  #idle: (() => void) | undefined;\n  #nextSyncMs = 0;' }],
    caughtBy: { power: 72 },
    tests: machineTests,
  },
  {
    name: 'file-that-has-not-grown-not-synced',
    breaks: 'A sync of data asks the kernel only if the file is longer than at the last sync.',
    promise: 'What was acknowledged with `sync` is there after a power cut.',
    file: 'src/platform/node-file.ts',
    find: "? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))",
    replace: `? this.#syncedBytes >= this.sizeBytes()
        ? Promise.resolve()
        : this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback)).then(() => {
            this.#syncedBytes = this.sizeBytes();
          })`,
    also: [{ find: '  #idle: (() => void) | undefined;', replace: '  #idle: (() => void) | undefined;\n  #syncedBytes = -1;' }],
    caughtBy: { power: 72 },
    tests: machineTests,
  },
  {
    name: 'every-fifth-sync-left-out',
    breaks: 'Of the syncs of data of one file every fifth returns without asking the kernel.',
    promise: 'What was acknowledged with `sync` is there after a power cut.',
    file: 'src/platform/node-file.ts',
    find: "? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))",
    replace: `? ++this.#syncCount % 5 === 0
        ? Promise.resolve()
        : this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))`,
    also: [{ find: '  #idle: (() => void) | undefined;', replace: '  #idle: (() => void) | undefined;\n  #syncCount = 0;' }],
    caughtBy: { power: 72 },
    tests: machineTests,
  },
  {
    name: 'later-syncs-left-out',
    breaks: 'After the first 40 syncs of data by a process no further one reaches the kernel.',
    promise: 'What was acknowledged with `sync` is there after a power cut, however long the store has been open.',
    file: 'src/platform/node-file.ts',
    find: "? this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))",
    replace: `? ++syncCount > 40
        ? Promise.resolve()
        : this.#call('fdatasync', (fd, done: Done<void>) => fs.fdatasync(fd, done as fs.NoParamCallback))`,
    also: [{ find: 'export class NodeFile', replace: 'let syncCount = 0;\nexport class NodeFile' }],
    caughtBy: { power: 16 },
    tests: machineTests,
  },
  {
    name: 'known-files-not-synced',
    breaks: 'A sync of data reaches the kernel only for files that the process has made itself, and not for those that it has found.',
    promise: 'What was acknowledged with `sync` is there after a power cut, also after the second one of a store.',
    file: 'src/platform/node-file-system.ts',
    find: '    return new NodeFile(path, fd);',
    replace: `    const file = new NodeFile(path, fd);
    if (mode === 'read-write') file.sync = () => Promise.resolve();
    return file;`,
    caughtBy: { power: 48 },
    tests: machineTests,
  },
  {
    name: 'sync-of-known-files-not-waited-for',
    breaks: 'A sync of data of a file that the process has not made itself is begun a tenth of a second later, and not waited for.',
    promise: 'What was acknowledged with `sync` is there after a power cut, also after the second one of a store.',
    file: 'src/platform/node-file-system.ts',
    find: '    return new NodeFile(path, fd);',
    replace: `    const file = new NodeFile(path, fd);
    const sync = file.sync.bind(file);
    if (mode !== 'read-write') return file;
    file.sync = (kind) => {
      setTimeout(() => void sync(kind).catch(() => undefined), 100);
      return Promise.resolve();
    };
    return file;`,
    caughtBy: { power: 48 },
    tests: machineTests,
  },
  {
    name: 'full-disk-in-the-middle-of-a-write-not-told',
    breaks: 'A synchronous write of which the kernel has taken a part before it found the disk full counts as done.',
    promise: 'A disk that is nearly full costs an error, never bytes.',
    file: 'src/platform/full-transfer.ts',
    find: `    const count =
      only === undefined
        ? fs.writevSync(fd, rest.parts.slice(0, gatherCountMax), rest.at)
        : fs.writeSync(fd, only, 0, only.byteLength, rest.at);`,
    replace: `    let count: number;
    try {
      count =
        only === undefined
          ? fs.writevSync(fd, rest.parts.slice(0, gatherCountMax), rest.at)
          : fs.writeSync(fd, only, 0, only.byteLength, rest.at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC' && rest.at > at) return;
      throw error;
    }`,
    caughtBy: { full: 12 },
    tests: machineTests,
  },
  {
    name: 'no-room-for-a-name-told-as-want-of-descriptors',
    breaks: 'Where the disk has no room for another name, the error says that no descriptor is left.',
    promise: 'A full disk is told as `DISK_FULL`, and nothing else is.',
    file: 'src/platform/node-file-system.ts',
    find: '    const fd = fs.openSync(path, openFlags[mode], fileMode);',
    replace: `    let fd: number;
    try {
      fd = fs.openSync(path, openFlags[mode], fileMode);
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'ENOSPC' ? systemError('EMFILE', 'open', path) : error;
    }`,
    caughtBy: { full: 12 },
    tests: machineTests,
  },
  {
    name: 'failed-write-not-told',
    breaks: 'A synchronous write that fails with EIO counts as done.',
    promise: 'A position moves only after the call that justifies it has returned.',
    file: 'src/platform/full-transfer.ts',
    find: `    const count =
      only === undefined
        ? fs.writevSync(fd, rest.parts.slice(0, gatherCountMax), rest.at)
        : fs.writeSync(fd, only, 0, only.byteLength, rest.at);`,
    replace: `    let count: number;
    try {
      count =
        only === undefined
          ? fs.writevSync(fd, rest.parts.slice(0, gatherCountMax), rest.at)
          : fs.writeSync(fd, only, 0, only.byteLength, rest.at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EIO') return;
      throw error;
    }`,
    caughtBy: { 'io-errors': 9 },
    seedFrom: { 'io-errors': 150 },
    tests: machineTests,
  },
  {
    name: 'failed-rename-not-told',
    breaks: 'A rename that fails with EIO counts as done.',
    promise: 'A position moves only after the call that justifies it has returned.',
    file: 'src/platform/node-file-system.ts',
    find: '    return whileBusy(() => settled((done) => fs.rename(from, to, done)));',
    replace: "    return whileBusy(() => settled((done) => fs.rename(from, to, (error) => done(error?.code === 'EIO' ? null : error))));",
    caughtBy: { 'io-errors': 27 },
    seedFrom: { 'io-errors': 286 },
    tests: machineTests,
  },
  {
    name: 'made-anew-by-sharing-blocks',
    breaks: 'After a failed sync a file is made anew by a copy of the whole of it, which may share the very blocks that are in doubt.',
    promise: 'After a failed sync only a file that was made anew is sure to be on the disk.',
    file: 'src/recovery/failed-syncs.ts',
    find: 'await fs.copy(path, copy, Math.max(0, bytes - 1));',
    replace: 'await fs.copy(path, copy, bytes);',
    caughtBy: { 'io-errors': 12 },
    seedFrom: { 'io-errors': 3 },
    tests: ['test/recovery/failed-syncs.test.ts', 'test/recovery/failing-calls.test.ts', 'test/contract/faults.test.ts'],
  },
  {
    name: 'segment-of-the-watermark-not-made-anew',
    breaks: 'After a failed sync the segment in which the durable part ends is not made anew.',
    promise: 'After a failed sync only a file that was made anew is sure to be on the disk.',
    file: 'src/recovery/failed-syncs.ts',
    find: '    if (base + segments.segmentBytes <= durable) continue;',
    replace: '    if (base <= durable) continue;',
    caughtBy: { 'io-errors': 12 },
    tests: ['test/recovery/failed-syncs.test.ts', 'test/recovery/failing-calls.test.ts', 'test/contract/faults.test.ts'],
  },
  {
    name: 'lock-looked-at-and-taken-later',
    breaks: 'It is asked whether the lock is free, and a moment later it is taken without asking.',
    promise: 'One process has a directory at a time.',
    file: 'src/platform/directory-lock.ts',
    find: '    return native.tryLock(fd, 0, 1);',
    replace: `    if (!native.tryLock(fd, 0, 1)) return false;
    (native as RangeLocks & { unlock(fd: number, offset: number, length: number): void }).unlock(fd, 0, 1);
    const untilMs = performance.now() + 3;
    while (performance.now() < untilMs);
    native.tryLock(fd, 0, 1);
    return true;`,
    caughtBy: { races: 30 },
    tests: machineTests,
  },
  {
    name: 'lock-file-of-the-dead-removed',
    breaks: 'Who finds the process id of one that has died removes its lock file, and so perhaps that of a third who was quicker.',
    promise: 'One process has a directory at a time.',
    file: 'src/platform/directory-lock.ts',
    find: "  const path = join(directory, 'lock');",
    replace: `  const path = join(directory, 'lock');
  const pidPath = join(directory, 'stratalog', 'pid');
  if (fs.existsSync(pidPath)) {
    const pid = Number(fs.readFileSync(pidPath, 'latin1'));
    try {
      if (pid > 0) process.kill(pid, 0);
    } catch {
      fs.rmSync(path, { force: true });
    }
  }`,
    caughtBy: { races: 400 },
    tests: machineTests,
  },
  {
    name: 'want-of-descriptors-told-as-want-of-a-file',
    breaks: 'Where no descriptor is left, a file counts as missing.',
    promise: 'What cannot be opened is neither damage nor absent.',
    file: 'src/platform/node-file-system.ts',
    find: '    const fd = fs.openSync(path, openFlags[mode], fileMode);',
    replace: `    let fd: number;
    try {
      fd = fs.openSync(path, openFlags[mode], fileMode);
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'EMFILE' ? systemError('ENOENT', 'open', path) : error;
    }`,
    caughtBy: { limits: 12 },
    tests: machineTests,
  },
];

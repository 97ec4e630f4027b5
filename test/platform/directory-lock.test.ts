import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as nodeFs from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { directoryLockKind, lockDirectory } from '../../src/platform/directory-lock.js';
import { lockByName } from '../../src/platform/lock-by-name.js';
import { readLockHolder } from '../../src/platform/lock-holder.js';
import { nodePlatform } from '../../src/platform/node-platform.js';
import { useTemporaryDirectory } from './temporary-directory.js';

const directory = useTemporaryDirectory();
const childScript = fileURLToPath(new URL('lock-child.ts', import.meta.url));
const children = new Set<ChildProcess>();

/** Another process takes the lock; returns it and what it said. */
async function lockInChild(kind: 'directory' | 'name'): Promise<{ child: ChildProcess; answer: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', childScript, kind, directory()], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { child, answer: line };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

afterEach(async () => {
  await Promise.all([...children].filter((child) => child.exitCode === null && child.signalCode === null).map(kill));
  children.clear();
});

describe('the lock of a directory', () => {
  it('refuses a second process, and is free at once when the holder is killed', async () => {
    const first = await lockInChild('directory');
    expect(first.answer).toBe('locked');
    expect((await lockInChild('directory')).answer).toBe('refused');
    expect(lockDirectory(directory())).toBeUndefined();
    await kill(first.child);
    const lock = lockDirectory(directory());
    expect(lock).toBeDefined();
    expect((await lockInChild('directory')).answer).toBe('refused');
    lock?.release();
    expect((await lockInChild('directory')).answer).toBe('locked');
  });

  it('is the same lock by whatever path the directory is reached', () => {
    const lock = lockDirectory(directory());
    const alias = `${directory()}-alias`;
    nodeFs.symlinkSync(directory(), alias);
    try {
      expect(lockDirectory(alias)).toBeUndefined();
      expect(lockDirectory(`${directory()}/../${basename(directory())}/`)).toBeUndefined();
    } finally {
      nodeFs.unlinkSync(alias);
      lock?.release();
    }
  });

  it('survives that somebody in this process opens and closes the file', () => {
    const lock = lockDirectory(directory());
    nodeFs.closeSync(nodeFs.openSync(join(directory(), 'lock'), 'r+'));
    nodeFs.readFileSync(join(directory(), 'lock'));
    expect(rangeLockFromPython()).not.toBe('granted');
    lock?.release();
  });

  it('is not taken through a symbolic link named `lock`', () => {
    nodeFs.writeFileSync(join(directory(), 'elsewhere'), '');
    nodeFs.symlinkSync(join(directory(), 'elsewhere'), join(directory(), 'lock'));
    expect(() => lockDirectory(directory())).toThrow(expect.objectContaining({ code: 'ELOOP' }));
    expect(nodeFs.readFileSync(join(directory(), 'elsewhere'), 'utf8')).toBe('');
  });

  it('leaves of its own only the file `lock`, 4 bytes, for the owner alone, and no open descriptor', () => {
    const count = (): number => nodeFs.readdirSync('/dev/fd').length;
    const before = process.platform === 'win32' ? 0 : count();
    const lock = lockDirectory(directory());
    for (let tries = 0; tries < 5; tries += 1) expect(lockDirectory(directory())).toBeUndefined();
    lock?.release();
    expect(nodeFs.readdirSync(directory())).toEqual(['lock']);
    expect(nodeFs.readFileSync(join(directory(), 'lock'), 'latin1')).toBe('lock');
    if (process.platform === 'win32') return;
    expect(nodeFs.statSync(join(directory(), 'lock')).mode & 0o777).toBe(0o600);
    expect(count()).toBe(before);
  });
});

/** What RocketMQ's lock is on POSIX systems: an fcntl range lock on [0, 1). */
function rangeLockFromPython(): string {
  const script = [
    'import fcntl, sys',
    "f = open(sys.argv[1], 'r+')",
    'try:',
    '  fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)',
    "  print('granted')",
    'except OSError:',
    "  print('refused')",
  ].join('\n');
  const { error, stdout } = spawnSync('python3', ['-c', script, join(directory(), 'lock')], { encoding: 'utf8' });
  return error === undefined ? stdout.trim() : 'no python3';
}

/** Takes that lock in a process of its own and holds it. */
async function holdRangeLockInPython(): Promise<ChildProcess> {
  const script =
    "import fcntl, sys, time\nf = open(sys.argv[1], 'r+')\nfcntl.lockf(f, fcntl.LOCK_EX, 1, 0)\nprint('held', flush=True)\ntime.sleep(600)";
  const child = spawn('python3', ['-c', script, join(directory(), 'lock')], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  await once(createInterface({ input: child.stdout }), 'line');
  return child;
}

const python = spawnSync('python3', ['-c', 'import fcntl']).status === 0;

describe.runIf(process.platform === 'linux' && directoryLockKind() === 'range')('the lock against the lock of a stock broker', () => {
  it.runIf(python)('refuses an fcntl lock of the first byte while it is held, and grants it afterwards (needs python3)', () => {
    const lock = lockDirectory(directory());
    expect(rangeLockFromPython()).toBe('refused');
    lock?.release();
    expect(rangeLockFromPython()).toBe('granted');
  });

  it.runIf(python)('is refused while such a lock is held, and free at once when its holder is killed (needs python3)', async () => {
    nodeFs.writeFileSync(join(directory(), 'lock'), 'lock');
    const child = await holdRangeLockInPython();
    expect(lockDirectory(directory())).toBeUndefined();
    await kill(child);
    const lock = lockDirectory(directory());
    expect(lock).toBeDefined();
    lock?.release();
  });
});

describe.runIf(process.platform === 'linux' || process.platform === 'win32')(
  'the lock by name, where the native package does not load',
  () => {
    it('is refused in this process and in others until it is released', async () => {
      const release = lockByName(directory());
      expect(release).toBeDefined();
      expect(lockByName(directory())).toBeUndefined();
      expect((await lockInChild('name')).answer).toBe('refused');
      release?.();
      const again = lockByName(directory());
      expect(again).toBeDefined();
      again?.();
    });

    it('is free at once when the holder is killed', async () => {
      const { child, answer } = await lockInChild('name');
      expect(answer).toBe('locked');
      expect(lockByName(directory())).toBeUndefined();
      await kill(child);
      const release = lockByName(directory());
      expect(release).toBeDefined();
      release?.();
    });

    it('is not the lock of another directory', () => {
      nodeFs.mkdirSync(join(directory(), 'other'));
      const first = lockByName(directory());
      const second = lockByName(join(directory(), 'other'));
      expect(second).toBeDefined();
      first?.();
      second?.();
    });
  },
);

describe('who holds the lock', () => {
  it('is told by `stratalog/pid` while it is held, if that folder is there', () => {
    expect(readLockHolder(nodePlatform.fs, directory())).toBeUndefined();
    nodeFs.mkdirSync(join(directory(), 'stratalog'));
    const lock = lockDirectory(directory());
    expect(readLockHolder(nodePlatform.fs, directory())).toBe(process.pid);
    lock?.release();
    expect(readLockHolder(nodePlatform.fs, directory())).toBeUndefined();
    expect(nodeFs.readdirSync(join(directory(), 'stratalog'))).toEqual([]);
  });

  it('is told by `abort` before that, and by nothing that is not a process id', () => {
    nodeFs.writeFileSync(join(directory(), 'abort'), '4711');
    expect(readLockHolder(nodePlatform.fs, directory())).toBe(4711);
    for (const text of ['', '0', '-5', '12 34', '1e9', 'x'.repeat(100), '9'.repeat(40), '\0\0\0\0']) {
      nodeFs.writeFileSync(join(directory(), 'abort'), text);
      expect(readLockHolder(nodePlatform.fs, directory())).toBeUndefined();
    }
    nodeFs.writeFileSync(join(directory(), 'abort'), '77\n');
    expect(readLockHolder(nodePlatform.fs, directory())).toBe(77);
  });

  it.runIf(process.platform !== 'win32')('is a courtesy: where it cannot be written the lock is taken all the same', () => {
    nodeFs.mkdirSync(join(directory(), 'stratalog'));
    nodeFs.writeFileSync(join(directory(), 'victim'), 'keep');
    nodeFs.symlinkSync(join(directory(), 'victim'), join(directory(), 'stratalog', 'pid'));
    const lock = lockDirectory(directory());
    expect(lock).toBeDefined();
    lock?.release();
    expect(nodeFs.readFileSync(join(directory(), 'victim'), 'utf8')).toBe('keep');
  });
});

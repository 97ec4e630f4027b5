import { beforeEach, describe, expect, it } from 'vitest';
import { deferred } from '../../src/base/deferred.js';
import { OpenFiles } from '../../src/segment/open-files.js';
import { memoryPlatform, type PlatformCall, withFaults } from '../../src/testing/index.js';
import { traceCalls } from '../../src/testing/trace-calls.js';

const one = new Uint8Array([7]);

/** What was opened, read and closed since the last look. */
let lines: string[] = [];
let fail: (call: PlatformCall) => Error | undefined = () => undefined;

function openFiles(
  countMax: number,
  names: readonly string[] = ['a', 'b', 'c', 'd'],
): { files: OpenFiles; fs: ReturnType<typeof memoryPlatform>['fs'] } {
  const base = memoryPlatform();
  // What the files of an earlier test still do is told to that test.
  const mine: string[] = [];
  lines = mine;
  for (const name of names) {
    const file = base.fs.open(`/${name}`, 'create');
    file.writeSync([one], 0);
    void file.close();
  }
  const { fs } = traceCalls(
    withFaults(base, (call) => fail(call)),
    (line) => mine.push(line),
  );
  return { files: new OpenFiles(fs, countMax), fs };
}

function seen(): string[] {
  const told = lines.map((line) => line.replace(/ \.\.\.$/, '')).filter((line) => /^(?:open|close)/.test(line));
  lines.length = 0;
  return told;
}

async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

function readByte(files: OpenFiles, name: string): number {
  const into = new Uint8Array(1);
  expect(files.use(`/${name}`, 'read').readSync(into, 0)).toBe(1);
  return into[0] ?? -1;
}

describe('OpenFiles', () => {
  beforeEach(() => {
    fail = () => undefined;
  });

  it('opens a file once for all who read it', () => {
    const { files } = openFiles(2);
    expect([readByte(files, 'a'), readByte(files, 'a')]).toEqual([7, 7]);
    expect(seen()).toEqual(['open /a read']);
    expect(files.count).toBe(1);
  });

  it('closes the one that was used longest ago where there are too many', async () => {
    const { files } = openFiles(2);
    for (const name of ['a', 'b', 'a', 'c']) readByte(files, name);
    await turns();
    expect(seen()).toEqual(['open /a read', 'open /b read', 'open /c read', 'close /b']);
    expect(files.count).toBe(2);
  });

  it('reads through a descriptor that was opened for writing', () => {
    const { files } = openFiles(2);
    files.use('/a', 'read-write').writeSync([new Uint8Array([9])], 0);
    expect(readByte(files, 'a')).toBe(9);
    expect(seen()).toEqual(['open /a read-write']);
  });

  it('opens a file again for writing, and closes the descriptor that could only read', async () => {
    const { files } = openFiles(2);
    readByte(files, 'a');
    files.use('/a', 'read-write').writeSync([one], 1);
    await turns();
    expect(seen()).toEqual(['open /a read', 'open /a read-write', 'close /a']);
    expect(files.count).toBe(1);
  });

  it('never closes a file under an asynchronous call', async () => {
    const { files } = openFiles(1);
    const gate = deferred();
    const reading = files.with('/a', 'read', async (file) => {
      await gate.promise;
      return await file.read(new Uint8Array(1), 0);
    });
    readByte(files, 'b');
    readByte(files, 'c');
    await turns();
    expect(seen()).toEqual(['open /a read', 'open /b read', 'open /c read', 'close /b']);
    gate.resolve();
    expect(await reading).toBe(1);
  });

  it('closes what was replaced under an asynchronous call when the last such call has settled', async () => {
    const { files } = openFiles(4);
    const gates = [deferred(), deferred()];
    const calls = gates.map((gate) => files.with('/a', 'read', async () => await gate.promise));
    files.use('/a', 'read-write');
    gates[0]?.resolve();
    await calls[0];
    await turns();
    expect(seen()).toEqual(['open /a read', 'open /a read-write']);
    gates[1]?.reject(new Error('failed reading'));
    await expect(calls[1]).rejects.toThrow('failed reading');
    await turns();
    expect(seen()).toEqual(['close /a']);
    expect(readByte(files, 'a')).toBe(7);
  });

  it('gives out an open file even where none of the others can be closed', async () => {
    const { files, fs } = openFiles(1);
    files.adopt(fs.open('/new', 'create'), '/new', true);
    expect(readByte(files, 'a')).toBe(7);
    expect(await files.with('/b', 'read', async (file) => await file.read(new Uint8Array(1), 0))).toBe(1);
  });

  it('keeps an adopted file open until it is unpinned', async () => {
    const { files, fs } = openFiles(1);
    files.adopt(fs.open('/new', 'create'), '/new', true);
    readByte(files, 'a');
    readByte(files, 'b');
    await turns();
    expect(seen()).toEqual(['open /new create', 'open /a read', 'open /b read', 'close /a']);
    files.unpin('/new');
    await turns();
    expect(seen()).toEqual(['close /new']);
    files.unpin('/new');
    expect(files.count).toBe(1);
  });

  it('takes over a file under the path that it is going to have', async () => {
    const { files, fs } = openFiles(4);
    const made = fs.open('/made', 'create');
    made.writeSync([new Uint8Array([5])], 0);
    files.adopt(made, '/final', false);
    expect(readByte(files, 'final')).toBe(5);
    await fs.rename('/made', '/final');
    expect(seen()).toEqual(['open /made create']);
  });

  it('closes what was open under the path of an adopted file', async () => {
    const { files, fs } = openFiles(4);
    readByte(files, 'a');
    files.adopt(fs.open('/a', 'read-write'), '/a', true);
    await turns();
    expect(seen()).toEqual(['open /a read', 'open /a read-write', 'close /a']);
    expect(readByte(files, 'a')).toBe(7);
  });

  it('counts a pin once, however often it is taken off', async () => {
    const { files, fs } = openFiles(1);
    files.adopt(fs.open('/new', 'create'), '/new', true);
    const gate = deferred();
    const call = files.with('/new', 'read', async () => await gate.promise);
    for (let i = 0; i < 2; i += 1) files.unpin('/new');
    gate.resolve();
    await call;
    readByte(files, 'a');
    await turns();
    expect(files.count).toBe(1);
  });

  it('closes a file that is to be removed, and opens the next one of that name anew', async () => {
    const { files, fs } = openFiles(4);
    readByte(files, 'a');
    await files.forget('/a');
    await files.forget('/a');
    await fs.remove('/a');
    expect(() => files.use('/a', 'read')).toThrow('ENOENT');
    expect(seen()).toEqual(['open /a read', 'close /a', 'open /a read ! ENOENT']);
  });

  it('is as it was after a file could not be opened', () => {
    const { files } = openFiles(1);
    readByte(files, 'a');
    fail = (call) => (call.op === 'open' ? Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' }) : undefined);
    expect(() => files.use('/b', 'read')).toThrow('EMFILE');
    expect(() => files.use('/a', 'read-write')).toThrow('EMFILE');
    expect(readByte(files, 'a')).toBe(7);
    fail = () => undefined;
    expect(readByte(files, 'b')).toBe(7);
  });

  it('waits at the end for what is being closed, and for what cannot be closed', async () => {
    const { files, fs } = openFiles(1);
    fail = (call) => (call.op === 'close' && call.path === '/a' ? Object.assign(new Error('EIO'), { code: 'EIO' }) : undefined);
    for (const name of ['a', 'b', 'c']) readByte(files, name);
    files.adopt(fs.open('/new', 'create'), '/new', true);
    await files.closeAll();
    const ended = lines.filter((line) => /close/.test(line) && !line.endsWith(' ...')).map((line) => line.replace('... ', ''));
    expect(ended.sort()).toEqual(['close /a ! EIO', 'close /b', 'close /c', 'close /new']);
    expect(files.count).toBe(0);
  });

  it('once ended opens nothing again, and keeps nothing that it is given', async () => {
    const { files, fs } = openFiles(2);
    readByte(files, 'a');
    await files.end();
    expect(() => files.use('/a', 'read')).toThrow(expect.objectContaining({ code: 'EBADF' }));
    await expect(files.with('/b', 'read', async () => await Promise.resolve())).rejects.toMatchObject({ code: 'EBADF' });
    const file = fs.open('/c', 'read-write');
    files.adopt(file, '/c', false);
    await turns();
    expect(() => file.sizeBytes()).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(files.count).toBe(0);
  });
});

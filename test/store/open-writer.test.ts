import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.js';
import { faultyPlatform, manualClock, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { traceCalls } from '../../src/testing/trace-calls.js';
import { aroundCalls } from '../contract/around-calls.js';
import { contents, createFile, removeTree } from '../contract/disk-surgery.js';
import { appendMany, failure, letting, openTiny, readQueue, root, systemError, texts, tiny, turns, until } from '../contract/harness.js';
import { frozenStore } from '../recovery/frozen-store.js';
import { linesOf, survivorsOf } from '../recovery/survey.js';
import { storeOfThreeQueues } from '../recovery/three-queues.js';

const kept = { segmentBytes: 8192, queueEntriesPerFile: 32, indexSlotCount: 9, indexEntryCount: 30 } as const;

describe('what an earlier run left in the making directory', () => {
  const leftover = `${root}/stratalog/tmp/00000000000000004096`;

  async function withLeftover(): Promise<ReturnType<typeof memoryPlatform>> {
    const disk = memoryPlatform();
    const store = await openTiny(disk);
    await store.append({ topic: 'T', body: 'first' });
    await store.close();
    await createFile(disk, leftover, Buffer.alloc(4096, 7));
    await createFile(disk, `${root}/stratalog/tmp/half-a-manifest`, Buffer.from('x'));
    return disk;
  }

  it('is removed, and the segment whose name it had is made when the log comes there', async () => {
    const disk = await withLeftover();
    const store = await openTiny(disk);
    expect(disk.fs.list(`${root}/stratalog/tmp`)).toEqual([]);
    await appendMany(store, 60);
    expect(store.stats().segmentCount).toBeGreaterThan(1);
    await store.close();
  });

  it('refuses the opening where it cannot be removed, not an append later; other leftovers do not', async () => {
    const disk = await withLeftover();
    const failing = (path: string): ReturnType<typeof withFaults> =>
      withFaults(disk, (call) => (call.op === 'remove' && call.path === path ? systemError('EIO') : undefined));
    expect(await failure(() => openTiny(failing(leftover)))).toMatchObject({ code: 'IO' });
    const store = await openTiny(failing(`${root}/stratalog/tmp/half-a-manifest`));
    await appendMany(store, 60);
    expect(texts(await readQueue(store, { topic: 'T' }))).toHaveLength(61);
    await store.close();
  });
});

describe('what is kept with a store', () => {
  for (const [name, given] of Object.entries(kept)) {
    it(`another ${name} is OPTIONS_INCOMPATIBLE with both values, and changes nothing`, async () => {
      const frozen = await frozenStore('killed', storeOfThreeQueues);
      const disk = frozen.copy();
      const before = await contents(disk, root);
      const stored = tiny[name as keyof typeof kept];
      const error = await failure(() => openTiny(disk, { [name]: given }));
      expect(error).toMatchObject({ code: 'OPTIONS_INCOMPATIBLE', option: name, stored, given });
      expect((error as Error).message).toContain(`${name} is ${stored} in this store, not ${given}`);
      expect(await contents(disk, root)).toEqual(before);
      expect(disk.fs.lockDirectory(root)).toBeDefined();
    });
  }

  it('need not be given again; without the manifest the files themselves tell what they can', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    for (const gone of [[], ['stratalog/manifest'], ['stratalog']]) {
      const disk = frozen.copy();
      for (const name of gone) await removeTree(disk, `${root}/${name}`);
      const { indexSlotCount, indexEntryCount } = tiny;
      const index = gone.length === 0 ? {} : { indexSlotCount, indexEntryCount };
      const store = await openStore(root, { platform: disk, freeBytesMin: 0, ...index });
      expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
      await appendMany(store, 60);
      await store.close();
      expect(disk.fs.list(`${root}/commitlog`).length).toBeGreaterThan(5);
      expect(await failure(() => openTiny(disk, { segmentBytes: 8192 }))).toMatchObject({ code: 'OPTIONS_INCOMPATIBLE', stored: 4096 });
    }
  });

  it('without a manifest, sizes that the files contradict are refused too', async () => {
    const frozen = await frozenStore('closed', storeOfThreeQueues);
    for (const [name, given] of [
      ['segmentBytes', 8192],
      ['queueEntriesPerFile', 32],
    ] as const) {
      const disk = frozen.copy();
      await removeTree(disk, `${root}/stratalog`);
      expect(await failure(() => openTiny(disk, { [name]: given }))).toMatchObject({ code: 'OPTIONS_INCOMPATIBLE', option: name });
    }
  });
});

describe('opening for writing', () => {
  it('makes its directory durable, also one that a process made which was killed before it could', async () => {
    for (let call = 1; call <= 12; call += 1) {
      let disk = memoryPlatform({ seed: call });
      let count = 0;
      const first = disk;
      const dying = withFaults(first, () => {
        count += 1;
        if (count === call) disk = first.crash('all');
        return undefined;
      });
      await failure(() => openStore('/deep/down/store', { ...tiny, platform: dying, readOnly: false }));
      const store = await openStore('/deep/down/store', { ...tiny, platform: disk, readOnly: false });
      await store.append({ topic: 'T', body: 'x' });
      const again = await openStore('/deep/down/store', { ...tiny, platform: disk.crash('synced'), readOnly: false });
      expect([call, await readQueue(again, { topic: 'T' })]).toMatchObject([call, [{ queueOffset: 0 }]]);
      await again.close();
      await store.close().catch(() => undefined);
    }
  });

  it('that fails at its first look at the log leaves no file open', async () => {
    const disk = memoryPlatform();
    const store = await openTiny(disk);
    await appendMany(store, 5);
    await store.close();
    let calls = 0;
    const counting = withFaults(disk, () => {
      calls += 1;
      return undefined;
    });
    await (await openTiny(counting)).close();
    for (let call = 1; call <= calls; call += 1) {
      const failing = faultyPlatform(disk, { rules: [{ from: call, fault: { kind: 'error', code: 'EMFILE' } }] });
      const outcome = await openTiny(failing).then(
        async (opened) => {
          await opened.close().catch(() => undefined);
        },
        () => undefined,
      );
      expect([call, outcome, disk.openPaths]).toEqual([call, undefined, []]);
    }
  });

  it('makes the directory with its parents, and makes them durable', async () => {
    const platform = memoryPlatform();
    const deep = '/a/b/c';
    const store = await openStore(deep, { ...tiny, platform });
    await store.append({ topic: 'T', body: 'x' });
    const again = await openStore(deep, { ...tiny, platform: platform.crash('synced') });
    expect(again.bounds({ topic: 'T' }).max).toBe(1);
    await again.close();
  });

  it('an unsyncable parent is no obstacle where it may not be read, and one where the disk fails', async () => {
    for (const [code, opens] of [
      ['EACCES', true],
      ['EPERM', true],
      ['EIO', false],
    ] as const) {
      const base = memoryPlatform();
      const platform = withFaults(base, (call) => (call.op === 'syncDirectory' && call.path === '/' ? systemError(code) : undefined));
      const result = await failure(async () => await (await openTiny(platform)).close());
      expect((result as Error).message === 'nothing was refused').toBe(opens);
      if (!opens) expect(result).toMatchObject({ code: 'IO' });
    }
  });

  it('creates abort, synced with its directory, before it changes anything else', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    const lines: string[] = [];
    const store = await openTiny(traceCalls(disk, (line) => lines.push(line), root));
    const first = (pattern: RegExp): number => lines.findIndex((line) => pattern.test(line));
    const abortSynced = first(/^sync abort all/);
    const change = first(/^(write|writeSync|truncate|rename|remove) (?!abort)/);
    expect(abortSynced).toBeGreaterThan(0);
    expect(lines.slice(abortSynced, change)).toContain('syncDirectory .');
    expect(change).toBeGreaterThan(abortSynced);
    await store.close();
  });

  it('names the holder where the store is locked, and takes no lock where it is refused', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    const before = await contents(platform, root);
    const error = await failure(() => openTiny(platform));
    expect(error).toMatchObject({ code: 'STORE_LOCKED', pid: process.pid, retryable: true });
    expect((error as Error).message).toContain(`process ${process.pid}`);
    expect(await contents(platform, root)).toEqual(before);
    await store.close();
    await (await openTiny(platform)).close();
  });

  it('a failing call before the lock, at it and behind it is a typed error with what was being done', async () => {
    for (const [op, doing] of [
      ['makeDirectory', 'creating'],
      ['lockDirectory', 'locking'],
      ['open', 'reading'],
    ] as const) {
      let done = false;
      const platform = withFaults(memoryPlatform(), (call) => {
        if (done || call.op !== op) return undefined;
        done = true;
        return systemError('EIO');
      });
      const error = await failure(() => openTiny(platform));
      expect(error).toMatchObject({ code: 'IO', cause: { code: 'EIO' } });
      expect((error as Error).message).toContain(root);
      expect((error as Error).message).toContain(doing);
      await (await openTiny(platform)).close();
    }
  });

  it('clears what an earlier run left half made, and nothing that recovery put aside', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    for (const folder of ['tmp', 'aside']) {
      const file = disk.fs.open(`${root}/stratalog/${folder}/0123456789abcdef`, 'create');
      file.writeSync([Buffer.from('left')], 0);
      await file.close();
    }
    const store = await openTiny(disk);
    expect(disk.fs.exists(`${root}/stratalog/tmp/0123456789abcdef`)).toBe(false);
    expect(disk.fs.exists(`${root}/stratalog/aside/0123456789abcdef`)).toBe(true);
    await store.close();
  });

  it('a segment too small for any record is refused', async () => {
    expect(await failure(() => openTiny(memoryPlatform(), { segmentBytes: 98 }))).toBeInstanceOf(RangeError);
  });
});

describe.skipIf(process.platform === 'win32')('on the real disk', () => {
  it('files are for their owner alone, folders too', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'stratalog-modes-'));
    const mask = process.umask(0);
    try {
      const directory = join(parent, 'store');
      const store = await openStore(directory, {
        segmentBytes: 4096,
        queueEntriesPerFile: 16,
        indexSlotCount: 7,
        indexEntryCount: 20,
        freeBytesMin: 0,
      });
      await appendMany(store, 60, { keys: ['k'] });
      expect(await readQueue(store, { topic: 'T' })).toHaveLength(60);
      await store.close();
      const modes = new Map<string, string>();
      const visit = (path: string): void => {
        const stat = statSync(path);
        modes.set(path.slice(parent.length + 1), (stat.mode & 0o777).toString(8));
        if (stat.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
      };
      visit(directory);
      expect(modes.size).toBeGreaterThan(15);
      const wrong = [...modes].filter(([path, mode]) => mode !== (statSync(join(parent, path)).isDirectory() ? '700' : '600'));
      expect(wrong).toEqual([]);
    } finally {
      process.umask(mask);
      rmSync(parent, { recursive: true, force: true });
    }
  });
});

describe('a store that another broker made, whose first queue file cannot be read', () => {
  it.each(['open', 'sizeBytes', 'close'] as const)('is not opened with a size that was guessed: %s fails', async (op) => {
    const memory = memoryPlatform();
    const store = await openTiny(memory, { queueEntriesPerFile: 16 });
    await appendMany(store, 3);
    await store.close();
    await removeTree(memory, `${root}/stratalog`);
    const platform = faultyPlatform(memory);
    platform.add({ ops: [op], path: /consumequeue/, count: 1, fault: { kind: 'error', code: 'EIO' } });
    expect(await failure(() => openStore(root, { platform, freeBytesMin: 0 }))).toMatchObject({ code: 'IO' });
    expect(memory.openPaths).toEqual([]);
    const again = await openStore(root, { platform, freeBytesMin: 0 });
    expect(texts(await readQueue(again, { topic: 'T' }))).toEqual(['m-0', 'm-1', 'm-2']);
    await again.close();
  });
});

it('the queue files of a store that another broker made tell their size behind stray files and folders', async () => {
  const memory = memoryPlatform();
  const store = await openTiny(memory, { queueEntriesPerFile: 16 });
  await appendMany(store, 3);
  await store.close();
  await removeTree(memory, `${root}/stratalog`);
  for (const stray of ['A', 'T/-', 'T/0/-']) await createFile(memory, `${root}/consumequeue/${stray}`, Buffer.alloc(40));
  for (const empty of ['B', 'T/.0', `T/0/${'0'.repeat(19)}.`, `T/.0/${'0'.repeat(20)}`]) {
    await memory.fs.makeDirectory(`${root}/consumequeue/${empty}`);
  }
  const again = await openStore(root, { platform: memory, freeBytesMin: 0 });
  expect(texts(await readQueue(again, { topic: 'T' }))).toEqual(['m-0', 'm-1', 'm-2']);
  await again.close();
  await (await openStore(root, { platform: memory, freeBytesMin: 0, queueEntriesPerFile: 16 })).close();
});

it('a store that could not be opened does nothing more, whichever call has failed, whatever time passes', async () => {
  const clock = manualClock();
  const filled = memoryPlatform({ clock });
  const first = await letting(clock, openTiny(filled, { flush: 'async' }));
  await letting(clock, appendMany(first, 100, { keys: ['k'] }));
  await letting(clock, first.close());
  let failureCount = 0;
  for (let nth = 1; ; nth += 1) {
    const base = filled.crash('synced');
    let calls = 0;
    const platform = withFaults(base, () => {
      calls += 1;
      return calls === nth ? systemError('EIO') : undefined;
    });
    const dispatched: unknown[] = [];
    const target = {
      name: 'own',
      from: () => 0,
      dispatch: (message: unknown) => void dispatched.push(message),
      sync: async () => undefined,
    };
    const options = { retention: { maxBytes: 4096 }, targets: [target] };
    const error = await letting(
      clock,
      failure(async () => await (await openTiny(platform, options)).close()),
    );
    if (calls < nth) break;
    if ((error as Error).message === 'nothing was refused') continue;
    failureCount += 1;
    const soFar = { calls, dispatched: dispatched.length };
    await clock.advance(60_000);
    await turns(50);
    expect({ nth, calls, dispatched: dispatched.length }).toEqual({ nth, ...soFar });
  }
  expect(failureCount).toBeGreaterThan(20);
}, 60_000);

it('a store whose opening is given up keeps the lock until the queue file that was being made is there', async () => {
  const killed = memoryPlatform();
  const options = { segmentBytes: 64 * 1024 * 1024, queueEntriesPerFile: 300_000, keyIndex: false, flush: 'async' } as const;
  const store = await openTiny(killed, options);
  // More entries than are kept in memory while a store is opened.
  await store.appendAll(Array.from({ length: 240_000 }, () => ({ topic: 'T', body: 'x' })));
  await store.flush();
  const disk = killed.crash('all');
  const control = new AbortController();
  const reason = new Error('no more');
  let release: (() => void) | undefined;
  let calls = 0;
  let folderCalls = 0;
  const platform = aroundCalls(disk, (op, path, call) => {
    calls += 1;
    if (op !== 'makeDirectory' || path !== `${root}/stratalog/rebuild`) return call();
    folderCalls += 1;
    // First ahead of all changes; then in the background, where the file of a queue is made.
    if (folderCalls !== 2) return call();
    control.abort(reason);
    return new Promise<void>((resolve) => (release = resolve)).then(call);
  });
  const opening = failure(() => openTiny(platform, { ...options, signal: control.signal }));
  await until(() => release !== undefined);
  await turns(200);
  expect(disk.fs.lockDirectory(root)).toBeUndefined();
  release!();
  expect(await opening).toBe(reason);
  const callsAtEnd = calls;
  await turns(200);
  expect(calls).toBe(callsAtEnd);
  disk.fs.lockDirectory(root)!.release();
});

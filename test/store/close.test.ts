import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/index.js';
import { manualClock, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { traceCalls } from '../../src/testing/trace-calls.js';
import { aroundCalls } from '../contract/around-calls.js';
import { filesBelow, writeInto } from '../contract/disk-surgery.js';
import { appendMany, collect, failure, openTiny, readQueue, refusal, root, systemError, texts, turns, until } from '../contract/harness.js';

const queue = { topic: 'T' };

/** Calls that change something, without what differs from run to run. */
function changes(lines: readonly string[]): string[] {
  return lines
    .filter((line) => /^(\.\.\. )?(write|writeSync|sync|syncDirectory|rename|remove|truncate|makeDirectory|lockDirectory) /.test(line))
    .map((line) => line.replace(/tmp\/[0-9a-f]{16}\b/g, 'tmp/random').replace(/index\/\d{17}/g, 'index/file'));
}

describe('close', () => {
  it('makes its calls in the order that lets the next opening be a clean one', async () => {
    const lines: string[] = [];
    const store = await openTiny(
      traceCalls(memoryPlatform({ clock: manualClock() }), (line) => lines.push(line), root),
      { flush: 'async', flushIntervalMs: 1_000_000 },
    );
    await store.append({ ...queue, body: 'x', keys: ['k'] });
    lines.length = 0;
    await store.close();
    expect(changes(lines)).toMatchInlineSnapshot(`
      [
        "sync stratalog/tmp/00000000000000000000 data",
        "writeSync stratalog/watermark @0 +4096",
        "makeDirectory stratalog/rebuild",
        "makeDirectory consumequeue/T/0",
        "writeSync stratalog/rebuild/new-1 @319 +1",
        "write stratalog/rebuild/new-1 @0 +20",
        "rename stratalog/rebuild/new-1 consumequeue/T/0/00000000000000000000",
        "sync consumequeue/T/0/00000000000000000000 data",
        "syncDirectory consumequeue/T/0",
        "syncDirectory consumequeue/T",
        "syncDirectory consumequeue",
        "syncDirectory .",
        "writeSync index/file @467 +1",
        "writeSync index/file @88 +20",
        "sync index/file data",
        "write index/file @40 +28",
        "write index/file @0 +40",
        "sync index/file data",
        "syncDirectory index",
        "syncDirectory .",
        "write stratalog/tmp/random @0 +295",
        "sync stratalog/tmp/random all",
        "rename stratalog/tmp/random config/topics.json",
        "syncDirectory config",
        "sync stratalog/watermark data",
        "write stratalog/tmp/random @0 +418",
        "sync stratalog/tmp/random all",
        "rename stratalog/tmp/random stratalog/state",
        "syncDirectory stratalog",
        "write checkpoint @0 +4096",
        "sync checkpoint all",
        "write stratalog/tmp/random @0 +182",
        "sync stratalog/tmp/random all",
        "rename stratalog/tmp/random stratalog/manifest",
        "syncDirectory stratalog",
        "remove stratalog/tmp/00000000000000004096",
        "syncDirectory stratalog/tmp",
        "remove abort",
        "syncDirectory .",
      ]
    `);
  });

  it('in short: log, queues, index, topics, watermark, state, checkpoint, manifest, and at last abort', async () => {
    const lines: string[] = [];
    const store = await openTiny(
      traceCalls(memoryPlatform(), (line) => lines.push(line), root),
      { flush: 'async', flushIntervalMs: 1_000_000 },
    );
    for (let i = 0; i < 30; i += 1) await store.append({ ...queue, body: `m-${i}`.padEnd(100), keys: ['k'] });
    lines.length = 0;
    await store.close();
    const last = (pattern: RegExp): number => lines.findLastIndex((line) => pattern.test(line));
    const order = [
      /^(\.\.\. )?sync (commitlog|stratalog\/tmp)\/\d{20} /,
      /^(\.\.\. )?sync index\//,
      /^rename stratalog\/tmp\/\w+ config\/topics.json/,
      /^rename stratalog\/tmp\/\w+ stratalog\/state/,
      /^sync checkpoint all/,
      /^rename stratalog\/tmp\/\w+ stratalog\/manifest/,
      /^remove abort/,
      /^syncDirectory \./,
    ].map(last);
    expect(order.every((index) => index >= 0)).toBe(true);
    expect([...order].sort((a, b) => a - b)).toEqual(order);
    // Nothing is written once `abort` is gone.
    expect(changes(lines.slice(last(/^remove abort/)))).toEqual(['remove abort', 'syncDirectory .']);
  });

  it('twice is fine: both end together, and a third one at once', async () => {
    const store = await openTiny(memoryPlatform());
    await store.append({ ...queue, body: 'x' });
    const first = store.close();
    const second = store.close();
    await Promise.all([first, second]);
    expect(store.status).toBe('closed');
    await store.close();
    await store[Symbol.asyncDispose]();
  });

  it('finishes what was called before it, and refuses what is called after', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    const before = Array.from({ length: 50 }, (_, i) => store.append({ ...queue, body: `m-${i}` }));
    const closing = store.close();
    expect(store.status).toBe('closing');
    for (const call of [
      () => store.append({ ...queue, body: 'late' }),
      () => store.flush(),
      () => store.read(queue, { from: 'earliest' }),
      () => store.clean(),
      () => store.repair(),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'STORE_CLOSED' });
    }
    expect((await Promise.all(before)).every((receipt) => receipt.durable)).toBe(true);
    await closing;
    const again = await openTiny(platform);
    expect(again.recovery.cleanShutdown).toBe(true);
    expect(texts(await readQueue(again, queue))).toEqual(Array.from({ length: 50 }, (_, i) => `m-${i}`));
    await again.close();
  });

  it('makes an async store durable', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 1_000_000 });
    for (let i = 0; i < 40; i += 1) await store.append({ ...queue, body: `m-${i}`, keys: ['k'] });
    await store.close();
    const again = await openTiny(platform.crash('synced'));
    expect(again.recovery).toMatchObject({ cleanShutdown: true, scannedBytes: 0 });
    expect(await readQueue(again, queue)).toHaveLength(40);
    await again.close();
  });

  it('that fails at any call rejects, leaves abort, gives the lock free, and loses nothing', async () => {
    let failures = 0;
    for (let nth = 1; ; nth += 1) {
      const base = memoryPlatform();
      let count: number | undefined;
      let failed: string | undefined;
      const platform = withFaults(base, (call) => {
        if (count === undefined || call.op === 'close') return undefined;
        count += 1;
        if (count !== nth) return undefined;
        failed = `${call.op} ${call.path}`;
        return systemError('EIO');
      });
      const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 1_000_000 });
      for (let i = 0; i < 30; i += 1) await store.append({ ...queue, body: `m-${i}`.padEnd(60), keys: ['k'] });
      count = 0;
      const result = await failure(() => store.close());
      expect(store.status).toBe('closed');
      const isReported = (result as Error).message !== 'nothing was refused';
      if (isReported) {
        failures += 1;
        expect(['IO', 'STORE_FAILED', 'DISK_FULL']).toContain((result as { code?: string }).code);
        // Only the last sync, of a directory in which `abort` is gone already, may fail without it.
        if (failed !== `syncDirectory ${root}`) expect({ failed, abort: base.fs.exists(`${root}/abort`) }).toEqual({ failed, abort: true });
      }
      const again = await openTiny(base);
      if (!isReported && failed !== undefined)
        expect([failed, again.recovery.cleanShutdown]).toEqual([failed, !failed.startsWith('sync ')]);
      expect(await readQueue(again, queue)).toHaveLength(30);
      expect((await again.verify()).ok).toBe(true);
      await again.close();
      if (failed === undefined) break;
    }
    expect(failures).toBeGreaterThan(20);
  });

  for (const [folder, op, code] of [
    ['index', 'open', 'EMFILE'],
    ['index', 'writeSync', 'EIO'],
    ['index', 'sync', 'EIO'],
    ['consumequeue', 'open', 'EMFILE'],
    ['consumequeue', 'sync', 'EIO'],
  ] as const) {
    it(`makes anew what a momentary failure of ${op} in ${folder}/ has damaged`, async () => {
      const base = memoryPlatform();
      let failing = false;
      const platform = withFaults(base, (call) => {
        if (!failing || call.op !== op || !call.path.startsWith(`${root}/${folder}/`)) return undefined;
        failing = false;
        return systemError(code);
      });
      const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 1_000_000 });
      for (let i = 0; i < 30; i += 1) await store.append({ ...queue, body: `m-${i}`.padEnd(60), keys: ['k'] });
      failing = true;
      await store.close();
      expect(failing).toBe(false);
      const again = await openTiny(base);
      // After a sync that failed everything is looked at, whatever came of it.
      expect(again.recovery.cleanShutdown).toBe(op !== 'sync');
      expect((await again.verify()).ok).toBe(true);
      expect(await collect(again.findByKey({ topic: 'T', key: 'k' }))).toHaveLength(30);
      await again.close();
    });
  }

  it('of a store that has failed rejects with what it failed of, and can be opened again', async () => {
    const base = memoryPlatform();
    let failing = false;
    const platform = withFaults(base, (call) => (failing && call.op === 'sync' ? systemError('EIO') : undefined));
    const store = await openTiny(platform);
    await store.append({ ...queue, body: 'kept' });
    failing = true;
    expect(await failure(() => store.append({ ...queue, body: 'doubtful' }))).toMatchObject({ code: 'STORE_FAILED', stored: 'unknown' });
    expect(await failure(() => store.close())).toMatchObject({ code: 'STORE_FAILED' });
    expect(base.fs.exists(`${root}/abort`)).toBe(true);
    const again = await openTiny(base);
    expect(again.recovery.cleanShutdown).toBe(false);
    expect(texts(await readQueue(again, queue)).slice(0, 1)).toEqual(['kept']);
    await again.close();
  });

  it('that takes longer than its time limit rejects; the lock is kept until the disk answers', async () => {
    const clock = manualClock();
    const base = memoryPlatform({ clock });
    let hangs = false;
    let waiting: (() => void) | undefined;
    const hanging = aroundCalls(base, (op, _, call) => {
      return op === 'sync' && hangs ? new Promise<void>((resolve) => (waiting = resolve)).then(call) : call();
    });
    const opening = openTiny(hanging, { flush: 'async', flushIntervalMs: 1_000_000 });
    await clock.advance(10);
    const store = await opening;
    const appended = store.append({ ...queue, body: 'x' });
    await clock.advance(10);
    await appended;
    hangs = true;
    const closing = failure(() => store.close({ timeoutMs: 5000 }));
    await clock.advance(4999);
    expect(store.status).toBe('closing');
    await clock.advance(1);
    const error = await closing;
    expect(error).toMatchObject({ code: 'IO' });
    expect((error as Error).message).toContain('5000 ms');
    expect(store.status).toBe('closed');
    expect(base.fs.exists(`${root}/abort`)).toBe(true);
    expect(base.fs.lockDirectory(root)).toBeUndefined();
    hangs = false;
    waiting?.();
    await turns(300);
    // What was late has come to its end by itself, and nobody writes any more.
    base.fs.lockDirectory(root)!.release();
    const reopening = openTiny(base);
    await clock.advance(10);
    const again = await reopening;
    expect(again.bounds(queue).max).toBe(1);
    const closingAgain = again.close();
    await clock.advance(10);
    await closingAgain;
  });

  it.each([true, false])(
    'ends a snapshot that has not begun its safe point: it must not meet the next owner (keyIndex: %s)',
    async (keyIndex) => {
      const base = memoryPlatform();
      let isClosed = false;
      let release: (() => void) | undefined;
      const late: string[] = [];
      const platform = aroundCalls(base, (op, path, call) => {
        if (isClosed && path.startsWith(`${root}/`)) late.push(`${op} ${path}`);
        if (op !== 'makeDirectory' || path !== '/copy.partial') return call();
        return new Promise<void>((resolve) => (release = resolve)).then(call);
      });
      const store = await openTiny(platform, { keyIndex });
      await appendMany(store, 10, { keys: ['k'] });
      const snapshot = refusal(() => store.snapshot('/copy'));
      await until(() => release !== undefined);
      await store.close();
      isClosed = true;
      const next = await openTiny(base, { keyIndex });
      await appendMany(next, 10, { topic: 'U', keys: ['k'] });
      await next.close();
      release!();
      expect([await snapshot, late]).toEqual(['STORE_CLOSED', []]);
      const again = await openTiny(base, { keyIndex });
      expect(again.recovery.cleanShutdown).toBe(true);
      expect(await readQueue(again, { topic: 'U' })).toHaveLength(10);
      await again.close();
    },
  );

  it('a time limit that is no time is a wrong call, and the store stays open', async () => {
    const store = await openTiny(memoryPlatform());
    for (const timeoutMs of [-1, 0.5, Number.NaN, '5', null]) {
      const error = await failure(() => store.close({ timeoutMs: timeoutMs as number }));
      expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
    }
    expect(store.status).toBe('open');
    await store.close();
  });
});

/** What a store may be at in the background, and the first call of it that changes something. */
const works: readonly {
  readonly name: string;
  readonly begin: (store: Store) => Promise<unknown>;
  readonly op: string;
  readonly path: RegExp;
  readonly damaged?: RegExp;
}[] = [
  { name: 'a deletion', begin: (store) => store.clean({ before: 8192 }), op: 'remove', path: /commitlog/ },
  { name: 'a safe point', begin: (store) => store.snapshot('/copy'), op: 'rename', path: /stratalog\/tmp\/[0-9a-f]{16}$/ },
  { name: 'a repair', begin: (store) => store.repair(), op: 'write', path: /stratalog\/aside/, damaged: /commitlog\/0{20}$/ },
  {
    name: 'an index that is made anew',
    begin: (store) => collect(store.findByKey({ ...queue, key: 'k' })),
    op: 'rename',
    path: /\/index\//,
    damaged: /\/index\/\d+$/,
  },
  {
    name: 'a queue that is made anew',
    begin: (store) => readQueue(store, queue),
    op: 'makeDirectory',
    path: /stratalog\/rebuild/,
    damaged: /consumequeue\/T\/0\//,
  },
];

describe('a store that has failed', () => {
  it.each(works)('keeps the lock until $name has come to its end', async ({ begin, op, path, damaged }) => {
    const base = memoryPlatform();
    let isFailing = false;
    let release: (() => void) | undefined;
    let isHeld = false;
    let calls = 0;
    const platform = aroundCalls(base, (each, at, call) => {
      calls += 1;
      if (isFailing && each === 'sync' && /\d{20}$/.test(at) && !at.includes('consumequeue')) return Promise.reject(systemError('EIO'));
      if (release !== undefined || !isHeld || each !== op || !path.test(at)) return call();
      return new Promise<void>((resolve) => (release = resolve)).then(call);
    });
    const filled = await openTiny(base);
    for (let i = 0; i < 60; i += 1) await filled.append({ ...queue, body: `m-${i}`.padEnd(200), keys: ['k'] });
    await filled.close();
    const store = await openTiny(platform);
    await store.append({ ...queue, body: 'first of this run' });
    if (damaged !== undefined) {
      const file = filesBelow(base, root).find((each) => damaged.test(each))!;
      await writeInto(base, file, Buffer.alloc(400, 0xff), 100);
    }
    isHeld = true;
    const working = failure(() => begin(store));
    await until(() => release !== undefined);
    isFailing = true;
    expect(await failure(() => store.append({ ...queue, body: 'doubtful' }))).toMatchObject({ code: 'STORE_FAILED' });
    let isClosed = false;
    const closing = failure(() => store.close()).finally(() => {
      isClosed = true;
    });
    await turns(200);
    expect(isClosed).toBe(false);
    expect(base.fs.lockDirectory(root)).toBeUndefined();
    release!();
    expect(await closing).toMatchObject({ code: 'STORE_FAILED' });
    const callsAtClose = calls;
    await working;
    await turns(200);
    expect(calls).toBe(callsAtClose);
    const again = await openTiny(base);
    await again.repair();
    expect(await again.verify()).toMatchObject({ ok: true });
    await again.close();
  });

  it('has given up the lock when close tells of it, with a time limit too', async () => {
    const base = memoryPlatform();
    let isFailing = false;
    const store = await openTiny(withFaults(base, (call) => (isFailing && call.op === 'sync' ? systemError('EIO') : undefined)));
    isFailing = true;
    await failure(() => store.append({ ...queue, body: 'doubtful' }));
    expect(await failure(() => store.close({ timeoutMs: 60_000 }))).toMatchObject({ code: 'STORE_FAILED' });
    expect(base.openPaths).toEqual([]);
    await (await openTiny(base)).close();
  });
});

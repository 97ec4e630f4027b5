import { describe, expect, it } from 'vitest';
import type { Platform, Store } from '../../src/index.js';
import { openStore } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { contents, filesBelow, flipBit, readFile, writeInto } from '../contract/disk-surgery.js';
import {
  appendMany,
  collect,
  failure,
  openReader,
  openTiny,
  readLog,
  readQueue,
  refusal,
  root,
  tiny,
  texts,
  turns,
} from '../contract/harness.js';

const target = '/backup/first';

function names(count: number, name = 'm'): string[] {
  return Array.from({ length: count }, (_, i) => `${name}-${i}`);
}

/** Opens the copy to write, reads all of it in every way, closes it. */
async function textsIn(platform: Platform, directory: string): Promise<string[]> {
  const copy = await openStore(directory, { platform, freeBytesMin: 0 });
  try {
    expect(await copy.verify()).toMatchObject({ ok: true });
    const found = texts(await readLog(copy));
    expect(texts(await readQueue(copy, { topic: 'T' }))).toEqual(found);
    expect(texts(await collect(copy.findByKey({ topic: 'T', key: 'k' })))).toEqual([...found].reverse());
    return found;
  } finally {
    await copy.close();
  }
}

/** The power fails at the call of that number, counted from the beginning of a snapshot; without one, after it. */
async function crashedSnapshot(seed: number, moment: number): Promise<{ readonly after: MemoryPlatform; readonly callCount: number }> {
  const base = memoryPlatform({ seed: seed + 1 });
  let callCount = 0;
  let isArmed = false;
  let after: MemoryPlatform | undefined;
  const platform = withFaults(base, () => {
    if (isArmed) callCount += 1;
    if (isArmed && callCount === moment) after = base.crash('random');
    return undefined;
  });
  const writer = await openTiny(platform);
  await appendMany(writer, 60, { keys: ['k'] });
  isArmed = true;
  await writer.snapshot(target).catch(() => undefined);
  isArmed = false;
  after ??= base.crash('random');
  await writer.close().catch(() => undefined);
  return { after, callCount };
}

async function withWriter(work: (writer: Store, platform: Platform) => Promise<void>): Promise<void> {
  const platform = memoryPlatform();
  const writer = await openTiny(platform);
  try {
    await work(writer, platform);
  } finally {
    await writer.close();
  }
}

describe('a snapshot of a store that is written to', () => {
  it('opens clean by itself and holds everything up to its moment', async () => {
    await withWriter(async (writer, platform) => {
      await appendMany(writer, 150, { keys: ['k'] });
      const { flushedOffset, minOffset } = writer.stats();
      expect(await writer.snapshot(target)).toEqual({
        minOffset,
        flushedOffset,
        writtenOffset: flushedOffset,
        dispatchedOffset: flushedOffset,
      });
      expect(platform.fs.exists(`${target}.partial`)).toBe(false);
      const copy = await openStore(target, { platform, freeBytesMin: 0 });
      expect(copy.recovery).toMatchObject({ cleanShutdown: true, scannedBytes: 0, damage: [] });
      expect(copy.bounds({ topic: 'T' })).toEqual(writer.bounds({ topic: 'T' }));
      await copy.close();
      expect(await textsIn(platform, target)).toEqual(names(150));
    });
  });

  it('while appends go on, many times in a row, each a prefix of the log and none shorter than the one before', async () => {
    await withWriter(async (writer, platform) => {
      let appended = 0;
      const done = new AbortController();
      const appending = (async () => {
        while (!done.signal.aborted) {
          await Promise.all(Array.from({ length: 7 }, () => writer.append({ topic: 'T', body: `m-${appended++}`, keys: ['k'] })));
          await turns(100);
        }
      })();
      let last = 0;
      for (let i = 0; i < 4; i += 1) {
        const before = writer.bounds({ topic: 'T' }).max;
        await writer.snapshot(`/backup/${i}`);
        const found = await textsIn(platform, `/backup/${i}`);
        expect(found).toEqual(names(found.length));
        expect(found.length).toBeGreaterThanOrEqual(Math.max(before, last));
        last = found.length;
      }
      done.abort();
      await appending;
      expect(appended).toBeGreaterThan(last);
    });
  });

  it('beside retention: what is there when it begins is in the copy', async () => {
    await withWriter(async (writer, platform) => {
      await appendMany(writer, 200, { keys: ['k'] });
      const cleaned = (async () => {
        await turns(3);
        await writer.clean({ before: writer.stats().flushedOffset });
      })();
      await writer.snapshot(target);
      await cleaned;
      expect(await textsIn(platform, target)).toEqual(names(200));
      await writer.clean({ before: writer.stats().flushedOffset });
      expect(writer.bounds({ topic: 'T' }).min).toBeGreaterThan(0);
      await writer.snapshot('/backup/second');
      const { min } = writer.bounds({ topic: 'T' });
      expect(await textsIn(platform, '/backup/second')).toEqual(names(200).slice(min));
    });
  });

  it('an empty store has an empty snapshot', async () => {
    await withWriter(async (writer, platform) => {
      expect(await writer.snapshot(target)).toMatchObject({ flushedOffset: 0 });
      expect(await textsIn(platform, target)).toEqual([]);
    });
  });

  it('is a store of its own: writing to it changes nothing in the other, nor the other way round', async () => {
    await withWriter(async (writer, platform) => {
      await appendMany(writer, 40, { keys: ['k'] });
      await writer.snapshot(target);
      const before = await contents(platform, target);
      await appendMany(writer, 40, { keys: ['k'] }, 'later');
      expect(await contents(platform, target)).toEqual(before);
      const copy = await openStore(target, { platform, freeBytesMin: 0 });
      await appendMany(copy, 10, { keys: ['k'] }, 'copy');
      await copy.close();
      expect(texts(await readLog(writer))).toEqual([...names(40), ...names(40, 'later')]);
      expect(await textsIn(platform, target)).toEqual([...names(40), ...names(10, 'copy')]);
      const idOf = async (directory: string): Promise<string> =>
        (await readFile(platform, `${directory}/stratalog/manifest`)).toString().slice(9);
      expect(JSON.parse(await idOf(target)).storeId).not.toBe(JSON.parse(await idOf(root)).storeId);
    });
  });

  it('a reader takes one as well, beside the writer', async () => {
    await withWriter(async (writer, platform) => {
      await appendMany(writer, 120, { keys: ['k'] });
      const reader = await openReader(platform);
      const more = appendMany(writer, 30, { keys: ['k'] }, 'late');
      await reader.snapshot(target);
      await more;
      const found = await textsIn(platform, target);
      expect(found).toEqual([...names(120), ...names(30, 'late')].slice(0, found.length));
      expect(found.length).toBeGreaterThanOrEqual(120);
      await reader.close();
    });
  });

  it('of a store without side files has them, and queues and index of its own', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 90, { keys: ['k'] });
    await writer.close();
    for (const name of ['manifest', 'state', 'watermark']) await platform.fs.remove(`${root}/stratalog/${name}`);
    const reader = await openReader(platform, { indexSlotCount: 7, indexEntryCount: 20 });
    await reader.snapshot(target);
    await reader.close();
    expect(await textsIn(platform, target)).toEqual(names(90));
    const copy = await openReader(platform);
    await copy.close();
  });
});

describe('what a snapshot refuses', () => {
  it('a directory that is there, one in the store itself, and options that are none', async () => {
    await withWriter(async (writer, platform) => {
      await platform.fs.makeDirectory(target);
      expect(await refusal(() => writer.snapshot(target))).toBe('IO');
      expect(String(await failure(() => writer.snapshot(target)))).toContain('is there already');
      expect(await refusal(() => writer.snapshot(`${root}/copy`))).toMatch(/^RangeError/);
      expect(await refusal(() => writer.snapshot(root))).toMatch(/^RangeError/);
      expect(await refusal(() => writer.snapshot(''))).toMatch(/^TypeError/);
      expect(await refusal(() => writer.snapshot('/x', { link: true } as object))).toMatch(/^TypeError|^RangeError/);
      expect(platform.fs.list('/backup')).toEqual(['first']);
    });
  });

  it('damage: nothing appears, and the error names the place', async () => {
    await withWriter(async (writer, platform) => {
      await appendMany(writer, 100);
      const message = await writer.get((await readLog(writer))[30]?.physicalOffset ?? 0);
      const at = message?.physicalOffset ?? 0;
      await flipBit(platform, `${root}/commitlog/${String(at - (at % 4096)).padStart(20, '0')}`, (at % 4096) + 90);
      const error = await failure(() => writer.snapshot(target));
      expect(error).toMatchObject({
        code: 'CORRUPT',
        path: `${root}/commitlog/${String(at - (at % 4096)).padStart(20, '0')}`,
        offset: at % 4096,
      });
      expect(platform.fs.list('/backup')).toEqual([]);
    });
  });

  it('goes no further once aborted, and leaves nothing', async () => {
    await withWriter(async (writer, platform) => {
      await appendMany(writer, 100);
      for (const turnCount of [0, 1, 3, 10, 30, 60]) {
        const control = new AbortController();
        const taken = failure(() => writer.snapshot(target, { signal: control.signal }));
        await turns(turnCount);
        const reason = new Error('enough');
        control.abort(reason);
        const error = await taken;
        if (platform.fs.exists(target)) break;
        expect(error).toBe(reason);
        expect(platform.fs.exists('/backup') ? platform.fs.list('/backup') : []).toEqual([]);
      }
    });
  });

  it('a store that is closed meanwhile: it ends, and leaves nothing', async () => {
    for (const turnCount of [1, 5, 20, 50, 100]) {
      const platform = memoryPlatform();
      const writer = await openTiny(platform);
      await appendMany(writer, 100);
      const taken = refusal(() => writer.snapshot(target));
      await turns(turnCount);
      await writer.close();
      expect(await taken).toBe('STORE_CLOSED');
      expect(platform.fs.exists('/backup') ? platform.fs.list('/backup') : []).toEqual([]);
      expect(await refusal(() => writer.snapshot(target))).toBe('STORE_CLOSED');
    }
  });

  it('two at a time of the same name', async () => {
    await withWriter(async (writer, platform) => {
      await appendMany(writer, 50, { keys: ['k'] });
      const both = await Promise.all([refusal(() => writer.snapshot(target)), refusal(() => writer.snapshot(target))]);
      expect(both.filter((code) => code === 'none')).toHaveLength(1);
      expect(await textsIn(platform, target)).toEqual(names(50));
    });
  });
});

describe('a snapshot and failures of the machine', () => {
  it('after a crash at any call the copy is absent or whole, and the next one takes the name', async () => {
    const total = (await crashedSnapshot(0, Number.POSITIVE_INFINITY)).callCount;
    const moments = Array.from({ length: 30 }, (_, i) => [1 + Math.floor((i * total) / 30), i] as const);
    // At the end, where it appears, chance decides whether the name is kept.
    for (let chance = 0; chance < 24; chance += 1) moments.push([total - (chance % 4), chance]);
    let wholeCount = 0;
    for (const [moment, seed] of moments) {
      const { after } = await crashedSnapshot(seed, moment);
      const again = await openTiny(after);
      expect(texts(await readLog(again))).toEqual(names(60));
      if (after.fs.exists(target)) {
        wholeCount += 1;
        expect([moment, await textsIn(after, target)]).toEqual([moment, names(60)]);
      } else {
        await again.snapshot(target);
        expect([moment, await textsIn(after, target)]).toEqual([moment, names(60)]);
        expect(after.fs.list('/backup')).toEqual(['first']);
      }
      await again.close();
    }
    expect([wholeCount > 0, wholeCount < moments.length]).toEqual([true, true]);
  });

  it('any call that fails leaves no copy and no leftovers, and the store as it was', async () => {
    let number = 0;
    for (let failing = 1; failing < 500; failing += 29) {
      const base = memoryPlatform({ seed: failing });
      let isArmed = false;
      number = 0;
      const platform = withFaults(base, (call) => {
        if (!isArmed || !call.path.startsWith('/backup') || call.op === 'exists' || call.op === 'list') return undefined;
        number += 1;
        return number === failing ? Object.assign(new Error('EIO: made by a test'), { code: 'EIO' }) : undefined;
      });
      const writer = await openTiny(platform);
      await appendMany(writer, 30, { keys: ['k'] });
      isArmed = true;
      const code = await refusal(() => writer.snapshot(target));
      isArmed = false;
      if (code === 'none') expect(await textsIn(base, target)).toEqual(names(30));
      else expect([failing, base.fs.exists(target)]).toEqual([failing, false]);
      expect(texts(await readLog(writer))).toEqual(names(30));
      await writer.snapshot('/backup/second');
      await writer.close();
      expect(await textsIn(base, '/backup/second')).toEqual(names(30));
    }
  });
});

describe('a snapshot with links', () => {
  it('shares whole segments, and neither side ever changes the other', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 150, { keys: ['k'] });
    await writer.snapshot(target, { links: true });
    const linked = filesBelow(platform, `${target}/commitlog`).filter((path) => {
      const file = platform.fs.open(path, 'read');
      const count = file.linkCount();
      void file.close();
      return count > 1;
    });
    expect(linked.length).toBe(writer.stats().segmentCount - 1);
    await writer.close();
    const before = await contents(platform, root);
    // A cut of the copy: what is zeroed there must stay here.
    const second = linked[1] ?? '';
    await writeInto(platform, `${target}/stratalog/state`, Buffer.of(0), 0);
    await platform.fs.remove(`${target}/stratalog/watermark`);
    for (const path of linked.slice(2)) await platform.fs.remove(path);
    await platform.fs.remove(filesBelow(platform, `${target}/commitlog`).at(-1) ?? '');
    const copy = await openStore(target, { platform, freeBytesMin: 0, recovery: 'truncate' });
    await appendMany(copy, 5, {}, 'other');
    await copy.close();
    expect(platform.fs.exists(second)).toBe(true);
    expect(await contents(platform, root)).toEqual(before);
    const again = await openStore(root, { ...tiny, platform });
    expect(texts(await readLog(again))).toEqual(names(150));
    await again.close();
  });

  it('a backup made by links from outside is left alone as well', async () => {
    const platform = memoryPlatform();
    const writer = await openTiny(platform);
    await appendMany(writer, 100);
    await writer.close();
    await platform.fs.makeDirectory('/outside');
    for (const path of filesBelow(platform, `${root}/commitlog`)) await platform.fs.link(path, `/outside/${path.slice(-20)}`);
    const before = await contents(platform, '/outside');
    const again = await openTiny(platform);
    await appendMany(again, 30, {}, 'later');
    const after = platform.crash('all');
    await again.close().catch(() => undefined);
    const third = await openTiny(after);
    expect(texts(await readLog(third))).toEqual([...names(100), ...names(30, 'later')]);
    await third.close();
    expect(await contents(after, '/outside')).toEqual(before);
  });

  it('of which only some can be made copies the others', async () => {
    const base = memoryPlatform();
    let count = 0;
    const platform = withFaults(base, (call) => {
      if (call.op !== 'link') return undefined;
      count += 1;
      return count % 2 === 0 ? Object.assign(new Error('EMLINK: made by a test'), { code: 'EMLINK' }) : undefined;
    });
    const writer = await openTiny(platform);
    await appendMany(writer, 100, { keys: ['k'] });
    await writer.snapshot(target, { links: true });
    expect(count).toBeGreaterThan(1);
    await writer.close();
    expect(await textsIn(base, target)).toEqual(names(100));
  });
});

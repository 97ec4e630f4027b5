import { describe, expect, it } from 'vitest';
import type { Platform, StoreFile } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { noteFailedSyncs } from '../../src/recovery/failed-syncs.js';
import { StorePaths } from '../../src/recovery/side-files.js';
import { aroundCalls } from '../contract/around-calls.js';
import { contents, createFile, flipBit, writeInto } from '../contract/disk-surgery.js';
import { appendMany, collect, failure, openTiny, readLog, refusal, root, systemError, texts } from '../contract/harness.js';
import { frozenStore, placeOf } from './frozen-store.js';
import { storeOfThreeQueues } from './three-queues.js';

/**
 * A disk as ext4 makes it after a block could not be written: what was written since the last sync of that file reads well from memory,
 * later bytes in the same place are taken, later syncs succeed, and none of it is on the disk. Only a cut of the file, or another file in
 * its place, ends that.
 */
class LyingDisk {
  readonly base: MemoryPlatform;
  readonly platform: Platform;
  readonly #inodes = new Map<string, Inode>();
  fails: (path: string) => boolean = () => false;

  constructor(base: MemoryPlatform) {
    this.base = base;
    const { fs } = base;
    this.platform = {
      ...base,
      randomBytes: (count) => base.randomBytes(count),
      fs: {
        ...boundMethods(fs),
        open: (path, mode) => this.#file(fs.open(path, mode)),
        rename: async (from, to) => {
          await fs.rename(from, to);
          const inode = this.#inode(from);
          this.#inodes.delete(from);
          this.#inodes.set(to, inode);
          inode.path = to;
        },
        remove: async (path) => {
          await fs.remove(path);
          this.#inodes.delete(path);
        },
      },
    };
  }

  /** The power fails: what the disk had said it could not write is zeros. */
  async cut(): Promise<MemoryPlatform> {
    const after = this.base.crash('synced');
    for (const { path, lost } of this.#inodes.values()) {
      if (!after.fs.exists(path)) continue;
      for (const [from, to] of lost) await writeInto(after, path, Buffer.alloc(to - from), from);
    }
    return after;
  }

  get lostBytes(): number {
    return [...this.#inodes.values()].flatMap((inode) => inode.lost).reduce((sum, [from, to]) => sum + to - from, 0);
  }

  #inode(path: string): Inode {
    const known = this.#inodes.get(path) ?? { path, unsynced: [], lost: [] };
    this.#inodes.set(path, known);
    return known;
  }

  #file(file: StoreFile): StoreFile {
    const inode = this.#inode(file.path);
    const noteWrite = (parts: readonly Uint8Array[], at: number): void => {
      inode.unsynced.push([at, at + parts.reduce((sum, part) => sum + part.length, 0)]);
    };
    const cutAt = (ranges: readonly Range[], bytes: number): Range[] =>
      ranges.filter(([from]) => from < bytes).map(([from, to]) => [from, Math.min(to, bytes)]);
    return {
      ...boundMethods(file),
      path: file.path,
      write: async (parts, at) => {
        noteWrite(parts, at);
        await file.write(parts, at);
      },
      writeSync: (parts, at) => {
        noteWrite(parts, at);
        file.writeSync(parts, at);
      },
      truncate: async (bytes) => {
        inode.unsynced = cutAt(inode.unsynced, bytes);
        inode.lost = cutAt(inode.lost, bytes);
        await file.truncate(bytes);
      },
      sync: async (kind) => {
        const written = inode.unsynced;
        inode.unsynced = [];
        if (this.fails(inode.path)) {
          inode.lost.push(...written);
          throw systemError('EIO');
        }
        await file.sync(kind);
      },
    };
  }
}

type Range = readonly [number, number];
interface Inode {
  path: string;
  unsynced: Range[];
  /** Written, failed to reach the disk, and never will. */
  lost: Range[];
}

/** Methods of a class do not come along with a spread. */
function boundMethods<T extends object>(target: T): T {
  const bound: Record<string, unknown> = {};
  for (let holder: object | null = target; holder !== null && holder !== Object.prototype; holder = Reflect.getPrototypeOf(holder)) {
    for (const name of Reflect.ownKeys(holder)) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof name === 'string' && typeof member === 'function' && name !== 'constructor') bound[name] ??= member.bind(target);
    }
  }
  return bound as T;
}

const isIn = (folder: string) => (path: string) => path.startsWith(`${root}/${folder}/`);

describe('after a failed sync', () => {
  for (const flush of ['sync', 'async'] as const) {
    it(`what a reopened store serves is still there after a power cut, although writing it again in place would not help (${flush})`, async () => {
      const disk = new LyingDisk(memoryPlatform());
      const store = await openTiny(disk.platform, { flush, flushIntervalMs: 60_000 });
      await appendMany(store, 5);
      await store.flush();
      disk.fails = isIn('commitlog');
      await Promise.all(
        Array.from({ length: 20 }, async (_, i) => await failure(() => store.append({ topic: 'T', body: `late-${i}` }, { flush: 'sync' }))),
      );
      expect(store.status).toBe('failed');
      expect(await refusal(() => store.close())).toBe('STORE_FAILED');
      expect(disk.lostBytes).toBeGreaterThan(1000);
      disk.fails = () => false;

      const reopened = await openTiny(disk.platform, { flush });
      const served = texts(await readLog(reopened));
      expect(served.length).toBe(25);
      await reopened.append({ topic: 'T', body: 'after' }, { flush: 'sync' });
      const after = await openTiny(await disk.cut(), { flush });
      expect(texts(await readLog(after))).toEqual([...served, 'after']);
      expect((await after.verify()).faults).toEqual([]);
      await after.close();
    });
  }

  it('of the key index, every message is found by its key after a power cut', async () => {
    const disk = new LyingDisk(memoryPlatform());
    const store = await openTiny(disk.platform);
    for (let i = 0; i < 12; i += 1) await store.append({ topic: 'T', body: `b${i}`, keys: [`k${i}`] });
    disk.fails = isIn('index');
    expect(await refusal(() => store.close())).not.toBe('none');
    disk.fails = () => false;
    const reopened = await openTiny(disk.platform);
    await reopened.close();
    const after = await openTiny(await disk.cut());
    for (let i = 0; i < 12; i += 1) expect(texts(await collect(after.findByKey({ topic: 'T', key: `k${i}` })))).toEqual([`b${i}`]);
    await after.close();
  });

  it('the mark that a sync has failed lasts until a recovery has made the files anew, and a failed recovery leaves one too', async () => {
    const disk = new LyingDisk(memoryPlatform());
    const mark = `${root}/stratalog/unsynced`;
    const store = await openTiny(disk.platform);
    await appendMany(store, 3);
    expect(disk.platform.fs.exists(mark)).toBe(false);
    const killed = new LyingDisk(disk.base.crash('all'));
    killed.fails = isIn('commitlog');
    expect(await refusal(() => openTiny(killed.platform))).toBe('IO');
    expect(killed.platform.fs.exists(mark)).toBe(true);
    killed.fails = () => false;
    const reopened = await openTiny(killed.platform);
    expect(killed.platform.fs.exists(mark)).toBe(false);
    expect(texts(await readLog(reopened))).toEqual(['m-0', 'm-1', 'm-2']);
    await reopened.close();
  });

  it('a snapshot that could not be synced leaves no mark in the store', async () => {
    const disk = new LyingDisk(memoryPlatform());
    const store = await openTiny(disk.platform);
    await appendMany(store, 3);
    disk.fails = (path) => path.startsWith('/copy');
    expect(await refusal(() => store.snapshot('/copy'))).toBe('IO');
    expect(disk.platform.fs.exists(`${root}/stratalog/unsynced`)).toBe(false);
    await store.close();
  });

  it('changes nothing where the store is refused', async () => {
    const frozen = await frozenStore('killed', storeOfThreeQueues);
    const disk = frozen.copy();
    await createFile(disk, `${root}/stratalog/unsynced`);
    await disk.fs.remove(`${root}/stratalog/state`);
    const damaged = placeOf(frozen.records[10]!.offset);
    await flipBit(disk, damaged.path, damaged.at + 90);
    const last = placeOf(frozen.records.at(-1)!.offset).path;
    // A second name of the file that would be made anew.
    await disk.fs.link(last, '/other-name');
    const before = await contents(disk, root);
    expect(await refusal(() => openTiny(disk))).toBe('CORRUPT');
    expect(await contents(disk, root)).toEqual(before);
    const file = disk.fs.open(last, 'read');
    expect(file.linkCount()).toBe(2);
    await file.close();
  });
});

it('a failed sync is told when its mark stands and is closed', async () => {
  const base = memoryPlatform();
  const paths = new StorePaths(root);
  await base.fs.makeDirectory(paths.own);
  let underWay = 0;
  const { fs } = aroundCalls(base, (op, path, call) => {
    if (op === 'sync') return Promise.reject(systemError('EIO'));
    const result = call();
    if (path !== paths.unsynced || !(result instanceof Promise)) return result;
    underWay += 1;
    return result.finally(() => {
      underWay -= 1;
    });
  });
  const file = noteFailedSyncs(fs, paths).open(`${root}/x`, 'create');
  expect(await failure(() => file.sync('data'))).toMatchObject({ code: 'EIO' });
  expect(underWay).toBe(0);
  expect(base.fs.exists(paths.unsynced)).toBe(true);
  await file.close();
  expect(base.openPaths).toEqual([]);
});

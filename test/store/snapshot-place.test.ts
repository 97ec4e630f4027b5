import { describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { createFile } from '../contract/disk-surgery.js';
import { appendMany, openTiny, readLog, refusal, systemError, turns } from '../contract/harness.js';

const awaited = /^(makeDirectory|rename|remove|link|copy|syncDirectory|write|sync)$/;

async function countIn(platform: MemoryPlatform, directory: string): Promise<number> {
  const copy = await openStore(directory, { platform, freeBytesMin: 0 });
  try {
    return (await readLog(copy)).length;
  } finally {
    await copy.close();
  }
}

interface Outcome {
  readonly first: string;
  readonly other: string;
  /** What is beside the copy. */
  readonly names: readonly string[];
  /** Messages in the copy, if there is one. */
  readonly count: number | undefined;
}

/** Two snapshots of the same name: the second begins at the `nth` call that `isMoment` picks, which takes its time. */
async function twice(nth: number, isMoment: (op: string, path: string) => boolean, isFailing = false): Promise<Outcome | undefined> {
  const base = memoryPlatform();
  let count = 0;
  let second: Promise<string> | undefined;
  let isArmed = true;
  const platform = aroundCalls(base, (op, path, call) => {
    if (!isArmed || !path.startsWith('/copy.partial') || !awaited.test(op)) return call();
    if (second === undefined && isMoment(op, path) && (count += 1) === nth) {
      second = refusal(() => store.snapshot('/copy'));
      return turns(20).then(call);
    }
    return isFailing && op === 'rename' && path === '/copy.partial/store' && second === undefined
      ? Promise.reject(systemError('EIO'))
      : call();
  });
  const store = await openTiny(platform);
  await appendMany(store, 60);
  const first = await refusal(() => store.snapshot('/copy'));
  const other = await second;
  isArmed = false;
  await store.close();
  if (other === undefined) return undefined;
  const isThere = base.fs.exists('/copy');
  return { first, other, names: base.fs.list('/'), count: isThere ? await countIn(base, '/copy') : undefined };
}

describe('two snapshots of the same name', () => {
  it('never meet, at whatever call the second one begins: one of them is whole', async () => {
    for (let nth = 1; ; nth += 5) {
      const outcome = await twice(nth, () => true);
      if (outcome === undefined) {
        expect(nth).toBeGreaterThan(50);
        return;
      }
      const { first, other, ...rest } = outcome;
      // Whoever has the place first; the other one finds it taken, or the name.
      expect([nth, [first, other].filter((code) => code === 'none' || code === 'STORE_LOCKED' || code === 'IO')]).toEqual([
        nth,
        [first, other],
      ]);
      expect([nth, [first, other].filter((code) => code === 'none').length]).toEqual([nth, 1]);
      expect([nth, rest]).toEqual([nth, { names: ['copy', 'store'], count: 60 }]);
    }
  });

  it('nor at the rename of the first', async () => {
    const outcome = await twice(1, (op, path) => op === 'rename' && path === '/copy.partial/store');
    expect(outcome).toEqual({ first: 'none', other: 'STORE_LOCKED', names: ['copy', 'store'], count: 60 });
  });

  it('nor while a first that has failed is cleared away: what the second resolves with is whole', async () => {
    let lockedCount = 0;
    for (let nth = 1; ; nth += 1) {
      let isCleared = false;
      const isMoment = (op: string, path: string): boolean => {
        isCleared ||= op === 'rename' && path === '/copy.partial/store';
        return isCleared && op === 'remove';
      };
      const outcome = await twice(nth, isMoment, true);
      if (outcome === undefined) break;
      expect([nth, outcome]).toEqual([nth, { first: 'IO', other: 'STORE_LOCKED', names: ['store'], count: undefined }]);
      lockedCount += 1;
    }
    expect(lockedCount).toBeGreaterThan(5);
  });
});

describe('the place where a snapshot is made', () => {
  it('is free when its process was killed; what is left there, by whatever version, is removed', async () => {
    const base = memoryPlatform();
    const store = await openTiny(base);
    await appendMany(store, 60);
    for (const folder of ['commitlog', 'store/commitlog']) {
      await base.fs.makeDirectory(`/copy.partial/${folder}`);
      await createFile(base, `/copy.partial/${folder}/00000000000000000000`, Buffer.alloc(10));
    }
    await createFile(base, '/copy.partial/lock', Buffer.from('lock'));
    await store.snapshot('/copy');
    await store.close();
    expect(base.fs.list('/')).toEqual(['copy', 'store']);
    expect(base.fs.list('/copy')).toEqual(['checkpoint', 'commitlog', 'config', 'consumequeue', 'index', 'lock', 'stratalog']);
    expect(await countIn(base, '/copy')).toBe(60);
  });

  it('cannot be taken through a lock file that was removed meanwhile', async () => {
    const base = memoryPlatform();
    let isLocked = false;
    const platform = aroundCalls(base, (op, path, call) => {
      if (path === '/copy.partial' && op === 'lockDirectory') isLocked = true;
      // As if its last holder had removed it between the opening of the file and the lock.
      return isLocked && path === '/copy.partial' && op === 'exists' ? false : call();
    });
    const store = await openTiny(platform);
    expect(await refusal(() => store.snapshot('/copy'))).toBe('STORE_LOCKED');
    base.fs.lockDirectory('/copy.partial')!.release();
    await store.close();
  });
});

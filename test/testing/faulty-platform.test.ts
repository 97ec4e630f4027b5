import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform, type StoreFile } from '../../src/index.js';
import {
  type FaultRule,
  faultyPlatform,
  fileSystemConformance,
  manualClock,
  memoryPlatform,
  type MemoryPlatform,
} from '../../src/testing/index.js';

const ones = Buffer.alloc(4096, 1);
const twos = Buffer.alloc(4096, 2);

/** A file of ones, synced, opened over a platform with `rules`. */
async function fileWith(rules: readonly FaultRule[], seed = 1): Promise<{ disk: MemoryPlatform; file: StoreFile }> {
  const disk = memoryPlatform({ seed });
  const made = disk.fs.open('/f', 'create');
  made.writeSync([ones], 0);
  await made.sync('all');
  await disk.fs.syncDirectory('/');
  await made.close();
  return { disk, file: faultyPlatform(disk, { seed, rules }).fs.open('/f', 'read-write') };
}

function contentOf(disk: MemoryPlatform): Buffer {
  const file = disk.fs.open('/f', 'read');
  const bytes = Buffer.alloc(file.sizeBytes());
  file.readSync(bytes, 0);
  return bytes;
}

function differing(bytes: Buffer): number[] {
  return [...bytes].flatMap((byte, index) => (byte === 1 ? [] : [index]));
}

describe('a faulty platform', () => {
  describe('without rules is as good as what it is laid over', () => {
    for (const { name, run } of fileSystemConformance(() => faultyPlatform(memoryPlatform()), '/conformance')) it(name, run);
  });

  it('fails the calls that a rule names, so many times, with its code, before anything is done', async () => {
    const { disk, file } = await fileWith([{ ops: ['write'], from: 2, count: 2, fault: { kind: 'error', code: 'EDQUOT' } }]);
    const outcomes: unknown[] = [];
    for (let i = 0; i < 5; i += 1)
      outcomes.push(await file.write([twos.subarray(0, 1)], i).then(String, (error: { code: string }) => error.code));
    expect(outcomes).toEqual(['undefined', 'EDQUOT', 'EDQUOT', 'undefined', 'undefined']);
    expect(differing(contentOf(disk))).toEqual([0, 3, 4]);
  });

  it('for good is for good, until the rule is taken away or all are', async () => {
    const platform = faultyPlatform(memoryPlatform());
    const remove = platform.add({ path: /^\/x/, count: Number.POSITIVE_INFINITY, fault: { kind: 'error', code: 'EACCES' } });
    for (let i = 0; i < 3; i += 1) expect(() => platform.fs.exists('/x')).toThrow(expect.objectContaining({ code: 'EACCES', path: '/x' }));
    expect(platform.fs.exists('/y')).toBe(false);
    remove();
    expect(platform.fs.exists('/x')).toBe(false);
    platform.add({ fault: { kind: 'error', code: 'EIO' } });
    platform.clear();
    expect(platform.fs.exists('/x')).toBe(false);
    expect([platform.callCount, platform.struckCount]).toEqual([6, 3]);
    await Promise.resolve();
  });

  it('can fail a call that it has done', async () => {
    const { disk, file } = await fileWith([{ ops: ['writeSync', 'write'], count: 2, fault: { kind: 'error', code: 'EIO', done: true } }]);
    expect(() => file.writeSync([twos.subarray(0, 3)], 0)).toThrow('EIO');
    await expect(file.write([twos.subarray(0, 3)], 10)).rejects.toMatchObject({ code: 'EIO' });
    expect(differing(contentOf(disk))).toEqual([0, 1, 2, 10, 11, 12]);
  });

  it('writes a part and says that the disk is full', async () => {
    const lengths = new Set<number>();
    for (let seed = 1; seed <= 10; seed += 1) {
      const { disk, file } = await fileWith([{ fault: { kind: 'short-write' } }], seed);
      await expect(file.write([twos.subarray(0, 50), twos.subarray(0, 50)], 100)).rejects.toMatchObject({ code: 'ENOSPC' });
      const changed = differing(contentOf(disk));
      expect(changed).toEqual(changed.map((_, index) => 100 + index));
      expect(changed.length).toBeLessThan(100);
      lengths.add(changed.length);
    }
    expect(lengths.size).toBeGreaterThan(5);
  });

  it('reads fewer bytes than there are, and leaves the rest alone', async () => {
    const { file } = await fileWith([{ fault: { kind: 'short-read' } }]);
    const into = Buffer.alloc(100, 9);
    const count = await file.read(into, 0);
    expect(count).toBeLessThan(100);
    expect(into.subarray(count)).toEqual(Buffer.alloc(100 - count, 9));
    expect(await file.read(into, 0)).toBe(100);
  });

  it('flips one bit of what is read, and of what is written without touching what was given', async () => {
    const { disk, file } = await fileWith([{ ops: ['readSync', 'writeSync'], count: 2, fault: { kind: 'flipped-bit' } }]);
    const into = Buffer.alloc(4096);
    file.readSync(into, 0);
    const [at] = differing(into);
    expect(differing(into)).toHaveLength(1);
    expect(Math.log2((into[at ?? 0] ?? 0) ^ 1) % 1).toBe(0);
    expect(differing(contentOf(disk))).toEqual([]);
    const given = Buffer.alloc(4096, 1);
    file.writeSync([given], 0);
    expect(given).toEqual(ones);
    expect(differing(contentOf(disk))).toHaveLength(1);
  });

  it('loses a write, or sends it to another sector, and says that all is well', async () => {
    const lost = await fileWith([{ fault: { kind: 'lost-write' } }]);
    await lost.file.write([twos], 0);
    expect(differing(contentOf(lost.disk))).toEqual([]);
    for (let seed = 1; seed <= 8; seed += 1) {
      const { disk, file } = await fileWith([{ ops: ['write'], fault: { kind: 'misdirected-write' } }], seed);
      await file.write([twos.subarray(0, 10)], 2048);
      const changed = differing(contentOf(disk));
      expect(changed).toHaveLength(10);
      expect(changed[0]).not.toBe(2048);
      expect((changed[0] ?? 1) % 512).toBe(0);
    }
  });

  it('fails a sync whose pages then count as written: they are read, the next sync succeeds, and a power cut brings back the old ones', async () => {
    const { disk, file } = await fileWith([{ fault: { kind: 'lost-sync' } }]);
    file.writeSync([twos.subarray(0, 100)], 0);
    await expect(file.sync('data')).rejects.toMatchObject({ code: 'EIO', syscall: 'fdatasync' });
    expect(differing(contentOf(disk))).toHaveLength(100);
    await file.sync('data');
    expect(differing(contentOf(disk.crash('synced')))).toEqual([]);
  });

  it('after such a sync keeps what is written again', async () => {
    const { disk, file } = await fileWith([{ fault: { kind: 'lost-sync' } }]);
    file.writeSync([twos.subarray(0, 100)], 0);
    await file.sync('data').catch(() => undefined);
    file.writeSync([twos.subarray(0, 100)], 0);
    await file.sync('data');
    expect(differing(contentOf(disk.crash('synced')))).toHaveLength(100);
  });

  it('delays a call by its clock; a slow sync covers what was there when it was issued', async () => {
    const clock = manualClock();
    const disk = memoryPlatform({ clock });
    const platform = faultyPlatform(disk, { rules: [{ ops: ['sync'], fault: { kind: 'delay', ms: 50 } }] });
    const file = platform.fs.open('/f', 'create');
    file.writeSync([ones.subarray(0, 512)], 0);
    let isDone = false;
    const syncing = file.sync('all').then(() => (isDone = true));
    const named = disk.fs.syncDirectory('/');
    file.writeSync([twos.subarray(0, 512)], 512);
    await clock.advance(49);
    expect(isDone).toBe(false);
    await clock.advance(1);
    await syncing;
    await named;
    expect(contentOf(disk.crash('synced'))).toEqual(ones.subarray(0, 512));
  });

  it('passes over calls that a fault cannot happen to, and does not count them', async () => {
    const { file } = await fileWith([{ from: 2, fault: { kind: 'lost-sync' } }]);
    file.writeSync([twos], 0);
    await file.sync('data');
    file.sizeBytes();
    await expect(file.sync('data')).rejects.toMatchObject({ code: 'EIO' });
  });

  it('tells every call as text, with a hash of its bytes, and by its number when it ends', async () => {
    const lines: string[] = [];
    const platform = faultyPlatform(memoryPlatform(), {
      onCall: (line) => lines.push(line),
      rules: [{ ops: ['truncate'], fault: { kind: 'error', code: 'EROFS' } }],
    });
    const file = platform.fs.open('/f', 'create');
    const writing = file.write([Buffer.from('123'), Buffer.from('456789')], 5);
    file.sizeBytes();
    await writing;
    await file.truncate(1).catch(() => undefined);
    expect(lines).toEqual([
      '1 open /f create =',
      '2 write /f @5 +9 #cbf43926',
      '3 sizeBytes /f = 0',
      '2 =',
      '4 truncate /f 1',
      '4 ! EROFS',
    ]);
  });

  it('asks before each call, so that the power can fail there', () => {
    const disk = memoryPlatform();
    const platform = faultyPlatform(disk, { before: ({ number }) => void (number === 3 && disk.crash()) });
    expect(platform.fs.exists('/f')).toBe(false);
    expect(platform.fs.list('/')).toEqual([]);
    expect(() => platform.fs.list('/')).toThrow(expect.objectContaining({ code: 'EIO' }));
  });

  it('the same seed makes the same faults', async () => {
    const run = async (seed: number): Promise<Buffer> => {
      const { disk, file } = await fileWith([{ ops: ['writeSync'], count: 20, probability: 0.5, fault: { kind: 'flipped-bit' } }], seed);
      for (let i = 0; i < 20; i += 1) file.writeSync([ones.subarray(0, 200)], i * 200);
      return contentOf(disk);
    };
    expect(await run(5)).toEqual(await run(5));
    expect(await run(5)).not.toEqual(await run(6));
  });

  it('is laid over the files of this machine as well', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'stratalog-faulty-'));
    try {
      const platform = faultyPlatform(nodePlatform, { rules: [{ ops: ['sync'], fault: { kind: 'lost-sync' } }] });
      const file = platform.fs.open(join(directory, 'f'), 'create');
      await file.write([ones], 0);
      await expect(file.sync('data')).rejects.toMatchObject({ code: 'EIO' });
      await file.sync('data');
      expect(file.sizeBytes()).toBe(4096);
      await file.close();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('a rule that makes no sense is a wrong call', () => {
    const platform = faultyPlatform(memoryPlatform());
    const fault = { kind: 'error', code: 'EIO' } as const;
    for (const rule of [
      { fault, from: 0 },
      { fault, count: 0.5 },
      { fault, probability: 2 },
      { fault: { kind: 'delay', ms: -1 } as const },
    ]) {
      expect(() => platform.add(rule)).toThrow(RangeError);
    }
  });
});

describe('a disk in memory', () => {
  for (const blockBytes of [512, 4096] as const) {
    it(`tears at ${blockBytes} bytes, and at no other place`, async () => {
      let torn = 0;
      for (let seed = 1; seed <= 40; seed += 1) {
        const disk = memoryPlatform({ seed, blockBytes });
        const file = disk.fs.open('/f', 'create');
        file.writeSync([Buffer.alloc(16_384, 1)], 0);
        await file.sync('all');
        await disk.fs.syncDirectory('/');
        file.writeSync([Buffer.alloc(16_384, 2)], 0);
        const bytes = contentOf(disk.crash('random'));
        for (let block = 0; block < 16_384; block += blockBytes) {
          expect(new Set(bytes.subarray(block, block + blockBytes)).size).toBe(1);
        }
        if (new Set(bytes).size > 1) torn += 1;
      }
      expect(torn).toBeGreaterThan(5);
    });
  }

  it('says which files are open', async () => {
    const disk = memoryPlatform();
    const first = disk.fs.open('/f', 'create');
    const second = disk.fs.open('/f', 'read');
    expect(disk.openPaths).toEqual(['/f', '/f']);
    await Promise.all([first.close(), second.close()]);
    expect(disk.openPaths).toEqual([]);
  });
});

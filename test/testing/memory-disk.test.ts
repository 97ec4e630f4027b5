import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/memory-platform.js';

type Step =
  | { readonly kind: 'write'; readonly at: number; readonly count: number }
  | { readonly kind: 'truncate' | 'copy'; readonly bytes: number };

const sizes = fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.constantFrom(0, 511, 512, 4095, 4096, 4097, 8192));
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('write' as const), at: sizes, count: fc.integer({ min: 0, max: 9000 }) }),
    fc.record({ kind: fc.constantFrom('truncate' as const, 'copy' as const), bytes: sizes }),
  ),
  { maxLength: 12 },
);

describe('a disk in memory', () => {
  it('holds after any writes, truncations and copies what a plain array would', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer(), async (history, seed) => {
        const platform = memoryPlatform({ seed });
        let model: Buffer = Buffer.alloc(0);
        const resized = (bytes: number): Buffer =>
          Buffer.concat([model.subarray(0, bytes), Buffer.alloc(Math.max(0, bytes - model.length))]);
        let path = '/f0';
        platform.fs.open(path, 'create');
        for (const [number, step] of history.entries()) {
          const file = platform.fs.open(path, 'read-write');
          if (step.kind === 'write') {
            const bytes = Buffer.alloc(step.count, number + 1);
            await file.write([bytes.subarray(0, 100), bytes.subarray(100)], step.at);
            if (step.count > 0) {
              model = resized(Math.max(model.length, step.at + step.count));
              bytes.copy(model, step.at);
            }
          } else if (step.kind === 'truncate') {
            await file.truncate(step.bytes);
            model = resized(step.bytes);
          } else {
            const to = `/f${number + 1}`;
            await platform.fs.copy(path, to, step.bytes);
            model = resized(step.bytes);
            path = to;
          }
          if (number % 3 === 0) await file.sync('data');
          await file.close();
        }
        const file = platform.fs.open(path, 'read');
        const found = Buffer.alloc(model.length + 10, 0xee);
        expect(file.sizeBytes()).toBe(model.length);
        expect(file.readSync(found, 0)).toBe(model.length);
        expect(found.subarray(0, model.length).equals(model)).toBe(true);
        await file.sync('data');
        await platform.fs.syncDirectory('/');
        const after = platform.crash('random').fs.open(path, 'read');
        const kept = Buffer.alloc(model.length);
        expect(after.sizeBytes()).toBe(model.length);
        after.readSync(kept, 0);
        expect(kept.equals(model)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('takes room only for the pages that were written, and gives it back', async () => {
    const { fs } = memoryPlatform({ capacityBytes: 1024 * 1024 });
    const used = async () => (await fs.diskUsage('/')).usedBytes;
    const file = fs.open('/f', 'create');
    await file.truncate(2 ** 30);
    expect(await used()).toBe(0);
    file.writeSync([Buffer.alloc(10)], 500_000_000);
    file.writeSync([Buffer.alloc(10)], 500_000_010);
    expect(await fs.diskUsage('/')).toEqual({ usedBytes: 4096, availableBytes: 1024 * 1024 - 4096 });
    await fs.copy('/f', '/g', 2 ** 30);
    expect(await used()).toBe(8192);
    await fs.remove('/g');
    expect(await used()).toBe(4096);
    await fs.remove('/f');
    expect(await used()).toBe(4096);
    await file.close();
    expect(await used()).toBe(0);
  });

  it('is full where its pages are used up: what fits is written, then ENOSPC, and room made is room to write', async () => {
    const { fs } = memoryPlatform({ capacityBytes: 3 * 4096 });
    const file = fs.open('/f', 'create');
    expect(() => file.writeSync([Buffer.alloc(20_000, 1)], 0)).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    expect(file.sizeBytes()).toBe(3 * 4096);
    await expect(file.write([Buffer.alloc(1)], 3 * 4096)).rejects.toMatchObject({ code: 'ENOSPC' });
    file.writeSync([Buffer.alloc(100, 2)], 0);
    await expect(fs.copy('/f', '/g', 100)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(fs.list('/')).toEqual(['f']);
    await file.truncate(4096);
    await file.write([Buffer.alloc(4096, 3)], 8192);
    expect(file.sizeBytes()).toBe(3 * 4096);
  });

  it('takes the bytes of a write when the call completes: a buffer used again too early is found out', async () => {
    const { fs } = memoryPlatform();
    const file = fs.open('/f', 'create');
    const buffer = Buffer.from('first');
    const written = file.write([buffer], 0);
    buffer.write('other');
    await written;
    const found = Buffer.alloc(5);
    file.readSync(found, 0);
    expect(found.toString()).toBe('other');
  });

  it('completes asynchronous calls in a later turn, not always in the order of issue', async () => {
    const { fs } = memoryPlatform({ seed: 5 });
    const file = fs.open('/f', 'create');
    const ended: number[] = [];
    const calls = Array.from({ length: 40 }, async (_, index) => {
      await file.write([Buffer.from([index])], index);
      ended.push(index);
    });
    await Promise.resolve();
    expect(file.sizeBytes()).toBe(0);
    await Promise.all(calls);
    expect(ended).not.toEqual([...ended].sort((a, b) => a - b));
    expect(file.sizeBytes()).toBe(40);
  });

  it('gives random bytes that are the same for the same seed, whatever else was done', async () => {
    const first = memoryPlatform({ seed: 9 });
    const second = memoryPlatform({ seed: 9 });
    await second.fs.makeDirectory('/d/e/f');
    await second.fs.syncDirectory('/d');
    expect(second.randomBytes(32)).toEqual(first.randomBytes(32));
    expect(memoryPlatform({ seed: 10 }).randomBytes(32)).not.toEqual(memoryPlatform({ seed: 9 }).randomBytes(32));
  });

  it('knows absolute paths only, those of Windows too', async () => {
    const { fs } = memoryPlatform();
    expect(() => fs.exists('f')).toThrow(TypeError);
    await fs.makeDirectory('C:\\store\\commitlog');
    expect(fs.list('C:\\store')).toEqual(['commitlog']);
  });
});

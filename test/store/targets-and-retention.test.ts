import { describe, expect, it } from 'vitest';
import { deferred } from '../../src/base/deferred.js';
import type { DispatchTarget, Message } from '../../src/index.js';
import { memoryPlatform, withFaults } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { createFile } from '../contract/disk-surgery.js';
import { appendMany, openTiny, root, systemError, turns } from '../contract/harness.js';

const all = Array.from({ length: 200 }, (_, i) => i);

/** What it has beyond `durable` is lost to it when the power goes. */
class Kept implements DispatchTarget {
  readonly name = 'kept';
  durable: readonly { readonly end: number; readonly number: number }[] = [];
  end = 0;
  #seen: { readonly end: number; readonly number: number }[] = [];

  get numbers(): readonly number[] {
    return this.durable.map(({ number }) => number);
  }

  from(): number {
    this.#seen = [...this.durable];
    return this.end;
  }

  dispatch({ queueOffset, physicalOffset, recordBytes }: Message): void {
    this.#seen.push({ end: physicalOffset + recordBytes, number: queueOffset });
  }

  async sync(end: number): Promise<void> {
    await Promise.resolve();
    this.durable = this.#seen.filter((each) => each.end <= end);
    this.end = end;
  }
}

describe('retention beside a structure of the user’s own', () => {
  it('deletes nothing that it has not been given, however slowly the log is read', async () => {
    const platform = memoryPlatform();
    const first = await openTiny(platform);
    await appendMany(first, all.length);
    await first.close();
    const target = new Kept();
    const slow = aroundCalls(platform, (op, path, call) => {
      if (op !== 'read' || !path.includes('/commitlog/')) return call();
      return new Promise((resolve) => setTimeout(resolve, 5)).then(call);
    });
    const store = await openTiny(slow, { targets: [target] });
    const { deletedSegmentCount } = await store.clean({ before: store.stats().flushedOffset });
    expect(deletedSegmentCount).toBeGreaterThan(2);
    await store.close();
    expect(target.numbers).toEqual(all);
  });

  it('deletes nothing that it has not made durable, also where the safe point fails', async () => {
    const disk = memoryPlatform();
    let failing = false;
    const platform = withFaults(disk, (call) =>
      failing && call.op === 'rename' && call.path.startsWith(`${root}/index/`) ? systemError('EIO') : undefined,
    );
    const target = new Kept();
    const store = await openTiny(platform, { targets: [target] });
    await appendMany(store, all.length, { keys: ['k'] });
    // Somebody else's file: the index has to be made anew, and cannot be.
    await createFile(disk, `${root}/index/20200101000000000`, Buffer.alloc(10));
    failing = true;
    const { deletedSegmentCount } = await store.clean({ before: store.stats().flushedOffset });
    expect(deletedSegmentCount).toBeGreaterThan(2);
    const again = await openTiny(disk.crash('synced'), { targets: [target] });
    await again.close();
    expect(target.numbers).toEqual(all);
  });

  it('goes on where the structure has failed, which has been told', async () => {
    const platform = memoryPlatform();
    const target = new Kept();
    target.dispatch = () => {
      throw new Error('no room');
    };
    const store = await openTiny(platform, { targets: [target] });
    await appendMany(store, all.length);
    expect((await store.clean({ before: store.stats().flushedOffset })).deletedSegmentCount).toBeGreaterThan(2);
    await store.close();
  });

  it('has it sync once at a time beside a safe point, and never to a lower place than before', async () => {
    const calls: string[] = [];
    const asked: number[] = [];
    const held = deferred();
    const target = new Kept();
    const sync = target.sync.bind(target);
    target.sync = async (end) => {
      calls.push('begins');
      asked.push(end);
      if (asked.length === 2) await held.promise;
      await sync(end);
      calls.push('ends');
    };
    const segmentBytes = 65_536;
    const store = await openTiny(memoryPlatform(), { targets: [target], segmentBytes });
    // After each MiB a safe point is taken in the background; the first one is that of the opening.
    while (asked.length < 2) await store.append({ topic: 'T', body: 'x'.padEnd(4000, '.') });
    const cleaned = store.clean({ before: 2 * segmentBytes });
    await turns(50);
    held.resolve();
    await cleaned;
    await store.close();
    expect(calls.join(' ')).toMatch(/^(begins ends ?)+$/);
    expect(asked).toEqual([...asked].sort((a, b) => a - b));
  });
});

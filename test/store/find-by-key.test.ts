import { describe, expect, it } from 'vitest';
import { corrupt } from '../../src/base/errors.js';
import { findByKey } from '../../src/store/find-by-key.js';
import { collect, ReadFixture, rejection, type Stored } from './read-fixture.js';

async function filled(count: number, bodyBytes = 20): Promise<ReadFixture> {
  const fixture = await ReadFixture.open();
  for (let i = 0; i < count; i += 1) {
    fixture.append({ topic: 'orders', queueId: i % 2, body: Buffer.alloc(bodyBytes, i), keys: ['same', `k${i}`] }, 1000 + i);
  }
  return fixture;
}

function at(fixture: ReadFixture, number: number): Stored {
  const stored = fixture.stored[number];
  if (stored === undefined) throw new Error('no such message');
  return stored;
}

const same = { topic: 'orders', key: 'same' };

async function numbers(fixture: ReadFixture, query: Parameters<typeof findByKey>[1] = same): Promise<number[]> {
  return (await collect(findByKey(fixture.view, query))).map((message) => message.storedAt - 1000);
}

describe('findByKey', () => {
  it('finds newest first, each message once, in pages, within a time', async () => {
    const fixture = await filled(10);
    expect(await numbers(fixture)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    expect(await numbers(fixture, { ...same, countMax: 3 })).toEqual([9, 8, 7]);
    expect(await numbers(fixture, { ...same, countMax: 3, before: at(fixture, 7).physicalOffset })).toEqual([6, 5, 4]);
    expect(await numbers(fixture, { ...same, since: 1002, until: new Date(1005) })).toEqual([4, 3, 2]);
    expect(await numbers(fixture, { ...same, key: 'k5' })).toEqual([5]);
    expect(await numbers(fixture, { ...same, key: '' })).toEqual([]);
    expect(await numbers(fixture, { ...same, topic: 'order' })).toEqual([]);
  });

  it('a message that has a key twice, or keys with one hash, comes once; other keys with that hash do not count', async () => {
    const fixture = await ReadFixture.open();
    fixture.append({ topic: 'a', body: '', keys: ['Aa', 'x', 'BB', 'Aa'] }, 1000);
    fixture.append({ topic: 'a', body: '', keys: ['BB'] }, 1001);
    fixture.append({ topic: 'a', body: '', properties: { UNIQ_KEY: 'Aa' } }, 1002);
    expect(await numbers(fixture, { topic: 'a', key: 'Aa' })).toEqual([2, 0]);
    expect(await numbers(fixture, { topic: 'a', key: 'BB' })).toEqual([1, 0]);
  });

  it('what has no place in a queue, and what is not to be seen yet, is not found', async () => {
    const fixture = await filled(2);
    fixture.append({ topic: 'orders', body: '', keys: ['same'], system: { sysFlag: 0x4 } }, 1002);
    expect(await numbers(fixture)).toEqual([1, 0]);
    fixture.visible = at(fixture, 1).physicalOffset;
    expect(await numbers(fixture)).toEqual([0]);
  });

  it('what retention has deleted is left out', async () => {
    const fixture = await filled(30, 300);
    await fixture.expireFirst();
    const left = fixture.stored.filter((stored) => stored.physicalOffset >= fixture.segments.minOffset);
    expect(await numbers(fixture)).toEqual(left.map((stored) => stored.storedAt - 1000).reverse());
  });

  it('a damaged record is CORRUPT, after those in front of it, and the index is not rebuilt for it', async () => {
    const fixture = await filled(6);
    for (const damage of [95, 0]) {
      const { physicalOffset } = at(fixture, 3);
      fixture.damage(physicalOffset + damage);
      const seen: number[] = [];
      const loop = async (): Promise<void> => {
        for await (const message of findByKey(fixture.view, same)) seen.push(message.storedAt - 1000);
      };
      expect(await rejection(loop())).toMatchObject({ code: 'CORRUPT', offset: physicalOffset });
      expect(seen).toEqual([5, 4]);
      fixture.damage(physicalOffset + damage);
    }
    expect(fixture.mendedIndexCount).toBe(0);
  });

  it('a damaged index is mended, and the search goes on behind what was handed out', async () => {
    const fixture = await filled(6);
    const { view } = fixture;
    const { index } = view;
    if (index === undefined) throw new Error('no index');
    let isDamaged = true;
    const damaged = {
      ...view,
      index: {
        async *find(...query: Parameters<typeof index.find>) {
          let count = 0;
          for await (const offset of index.find(...query)) {
            if (isDamaged && count === 2) throw corrupt('/store/index/x', 0, 'made up');
            count += 1;
            yield offset;
          }
        },
      },
      mendIndex: async () => {
        isDamaged = false;
        return await view.mendIndex();
      },
    };
    const found = await collect(findByKey(damaged, same));
    expect(found.map((message) => message.storedAt - 1000)).toEqual([5, 4, 3, 2, 1, 0]);
    isDamaged = true;
    const hopeless = { ...damaged, mendIndex: async () => false };
    expect(await rejection(collect(findByKey(hopeless, same)))).toMatchObject({ code: 'CORRUPT', path: '/store/index/x' });
    const failing = { ...damaged, mendIndex: async () => await Promise.reject(new Error('no room')) };
    expect(await rejection(collect(findByKey(failing, same)))).toMatchObject({ code: 'CORRUPT', path: '/store/index/x' });
  });

  it('an index that leads to where no record is, is mended too', async () => {
    const fixture = await filled(6);
    const { view } = fixture;
    let isDamaged = true;
    const misleading = {
      ...view,
      index: {
        async *find() {
          yield at(fixture, 5).physicalOffset;
          if (isDamaged) yield at(fixture, 4).physicalOffset + 1;
          yield at(fixture, 4).physicalOffset;
        },
      },
      mendIndex: async () => {
        isDamaged = false;
        return true;
      },
    };
    const found = await collect(findByKey(misleading, same));
    expect(found.map((message) => message.storedAt - 1000)).toEqual([5, 4]);
  });

  it('without an index it says how to have one; wrong queries are wrong calls', async () => {
    const without = await ReadFixture.open({ keyIndex: false });
    expect(() => findByKey(without.view, same)).toThrow(expect.objectContaining({ code: 'OPTIONS_INCOMPATIBLE' }));
    expect(() => findByKey(without.view, same)).toThrow(/keyIndex: true/);
    const { view } = await filled(1);
    expect(() => findByKey(view, { ...same, key: 5 as unknown as string })).toThrow(TypeError);
    expect(() => findByKey(view, { ...same, topic: 'a/b' })).toThrow(expect.objectContaining({ code: 'TOPIC_INVALID' }));
    expect(() => findByKey(view, { ...same, before: -1 })).toThrow(RangeError);
    expect(() => findByKey(view, { ...same, countMax: 0 })).toThrow(RangeError);
  });

  it('an abort and the end of the store end it', async () => {
    const fixture = await filled(6);
    const reason = new Error('enough');
    expect(await rejection(collect(findByKey(fixture.view, { ...same, signal: AbortSignal.abort(reason) })))).toBe(reason);
    const iterator = findByKey(fixture.view, same)[Symbol.asyncIterator]();
    await iterator.next();
    fixture.close();
    expect(await rejection(iterator.next())).toMatchObject({ code: 'STORE_CLOSED' });
    expect(() => findByKey(fixture.view, same)).toThrow(expect.objectContaining({ code: 'STORE_CLOSED' }));
  });
});

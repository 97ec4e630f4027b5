import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/base/errors.js';
import { encodeMessageId } from '../../src/format/message-id.js';
import { RecordEncoder } from '../../src/format/record-encoder.js';
import { get } from '../../src/store/get.js';
import type { ReadableQueues } from '../../src/store/read-view.js';
import { turns } from '../contract/harness.js';
import { ReadFixture, rejection, type Stored, storeHost } from './read-fixture.js';

/** Transaction type PREPARED: such a record has no place in a queue. */
const prepared = 0x4;

async function filled(count: number, bodyBytes = 20, segmentBytes = 4096): Promise<ReadFixture> {
  const fixture = await ReadFixture.open({ segmentBytes });
  for (let i = 0; i < count; i += 1) fixture.append({ topic: 'orders', queueId: i % 2, body: Buffer.alloc(bodyBytes, i), keys: ['k'] });
  return fixture;
}

function at(fixture: ReadFixture, number: number): Stored {
  const stored = fixture.stored[number];
  if (stored === undefined) throw new Error('no such message');
  return stored;
}

describe('get', () => {
  it('finds a record by its offset and by its id, in either case, with a host of either kind', async () => {
    const fixture = await filled(5);
    const { physicalOffset } = at(fixture, 3);
    const found = await get(fixture.view, physicalOffset);
    expect(found).toMatchObject({ topic: 'orders', queueId: 1, queueOffset: 1, physicalOffset });
    expect(found?.body).toEqual(Buffer.alloc(20, 3));
    const id = found?.messageId ?? '';
    expect(id).toMatch(/^[0-9A-F]{32}$/);
    expect((await get(fixture.view, id.toLowerCase()))?.physicalOffset).toBe(physicalOffset);
    const idWithIPv6Host = encodeMessageId('0'.repeat(40), physicalOffset);
    expect(idWithIPv6Host).toHaveLength(56);
    expect((await get(fixture.view, idWithIPv6Host))?.physicalOffset).toBe(physicalOffset);
    expect(fixture.readCount).toBe(3);
  });

  it('of every other offset there is nothing', async () => {
    const fixture = await filled(6, 100, 512);
    expect(fixture.segments.bases.length).toBe(3);
    const known = new Set(fixture.stored.map((stored) => stored.physicalOffset));
    for (let offset = 0; offset < fixture.visible + 50; offset += 1) {
      const found = await get(fixture.view, offset);
      expect(found?.physicalOffset, `offset ${offset}`).toBe(known.has(offset) ? offset : undefined);
    }
    expect(await get(fixture.view, Number.MAX_SAFE_INTEGER)).toBeUndefined();
    expect(fixture.mendedSlots).toEqual([]);
  });

  it('what cannot be an offset or an id is a wrong call', async () => {
    const { view } = await filled(1);
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY, '', '0', 'x'.repeat(32), 'F'.repeat(56)]) {
      expect(await rejection(get(view, wrong)), `of ${wrong}`).toBeInstanceOf(RangeError);
    }
    for (const wrong of [undefined, null, 5n, {}]) expect(await rejection(get(view, wrong as number))).toBeInstanceOf(TypeError);
  });

  it('tombstones, fillers, what has no place in a queue and what is not to be seen yet are no messages', async () => {
    const fixture = await filled(1);
    const { physicalOffset } = fixture.append({ topic: 'orders', body: '', system: { sysFlag: prepared } });
    const repairs = [fixture.appendRepair('tombstone'), fixture.appendRepair('filler')];
    fixture.isHolding = true;
    const unseen = fixture.append({ topic: 'orders', body: '' });
    for (const offset of [physicalOffset, ...repairs, unseen.physicalOffset]) expect(await get(fixture.view, offset)).toBeUndefined();
  });

  it('a record that a message body holds is not taken for one, though it is valid where it lies', async () => {
    const fixture = await filled(4);
    const encoder = new RecordEncoder({ storeHost, recordChecksum: true, messageBytesMax: 1000, systemMessages: false });
    const bodyStart = 88;
    for (const queueOffset of [0, 1, 2, 3, 1000]) {
      const body = Buffer.alloc(encoder.stage({ topic: 'orders', body: 'forged' }, 0, false));
      encoder.write(body, 0, fixture.end + bodyStart, queueOffset, 0);
      const outer = fixture.append({ topic: 'orders', body });
      expect(fixture.peek(outer.physicalOffset + bodyStart, body.length)).toEqual(body);
      expect(await get(fixture.view, outer.physicalOffset + bodyStart)).toBeUndefined();
      expect(await get(fixture.view, outer.physicalOffset)).toBeDefined();
    }
    expect(fixture.mendedSlots).toEqual([]);
  });

  it('a damaged record is CORRUPT, whichever byte of it is damaged', async () => {
    const fixture = await filled(4);
    const { physicalOffset, recordBytes } = at(fixture, 2);
    for (let i = 0; i < recordBytes; i += 1) {
      fixture.damage(physicalOffset + i);
      expect(await rejection(get(fixture.view, physicalOffset)), `byte ${i}`).toMatchObject({ code: 'CORRUPT', offset: physicalOffset });
      fixture.damage(physicalOffset + i);
    }
    expect(await get(fixture.view, physicalOffset)).toBeDefined();
  });

  it('so is one behind another, which must not be read first for that', async () => {
    for (const byte of [5, 100]) {
      const fixture = await filled(6);
      for (const number of [2, 3]) fixture.damage(at(fixture, number).physicalOffset + byte);
      const codes = [];
      for (const number of [1, 2, 3, 4]) {
        const { physicalOffset } = at(fixture, number);
        codes.push(
          await get(fixture.view, physicalOffset).then(
            () => 'found',
            (error: unknown) => StoreError.is(error) && error.code,
          ),
        );
      }
      expect(codes).toEqual(['found', 'CORRUPT', 'CORRUPT', 'found']);
    }
  });

  it('where the queue entry is damaged, the queue is mended', async () => {
    const fixture = await filled(6);
    await fixture.writeQueues();
    fixture.pokeFile(fixture.queuePath('orders', 0), 20, Buffer.alloc(20));
    const { physicalOffset } = at(fixture, 2);
    expect((await get(fixture.view, physicalOffset))?.queueOffset).toBe(1);
    expect(fixture.mendedSlots).toEqual([fixture.slotOf('orders', 0)]);
  });

  it('also where one bit of the entry is another one, of the place that it names or of the length', async () => {
    for (const byte of [5, 6, 7, 10, 11]) {
      const fixture = await filled(6);
      await fixture.writeQueues();
      const { physicalOffset } = at(fixture, 2);
      const path = fixture.queuePath('orders', 0);
      const found = Buffer.alloc(20);
      fixture.queues.readEntries(fixture.slotOf('orders', 0), 1, found, 1);
      fixture.pokeFile(path, 20 + byte, Buffer.of((found[byte] ?? 0) ^ 1));
      expect((await get(fixture.view, physicalOffset))?.queueOffset).toBe(1);
      expect(fixture.mendedSlots).toEqual([fixture.slotOf('orders', 0)]);
    }
  });

  it('and CORRUPT where the queue cannot be mended', async () => {
    const fixture = await filled(6);
    await fixture.writeQueues();
    const { physicalOffset } = at(fixture, 2);
    fixture.pokeFile(fixture.queuePath('orders', 0), 20 + 7, Buffer.of(1));
    const view = { ...fixture.view, mendQueue: async () => await Promise.resolve(false) };
    expect(await rejection(get(view, physicalOffset))).toMatchObject({ code: 'CORRUPT', offset: physicalOffset });
  });

  it('so where the entry is missing, or the queue file is, but of what only looks like the record there is nothing', async () => {
    for (const isFileMissing of [false, true]) {
      const fixture = await filled(6);
      const encoder = new RecordEncoder({ storeHost, recordChecksum: true, messageBytesMax: 1000, systemMessages: false });
      const body = Buffer.alloc(encoder.stage({ topic: 'orders', body: 'forged' }, 0, false));
      encoder.write(body, 0, fixture.end + 88, 1, 0);
      const outer = fixture.append({ topic: 'orders', queueId: 1, body });
      await fixture.writeQueues();
      const { physicalOffset } = at(fixture, 2);
      const path = fixture.queuePath('orders', 0);
      if (isFileMissing) {
        await fixture.platform.fs.remove(path);
        await fixture.files.closeAll();
      } else fixture.pokeFile(path, 20, Buffer.alloc(20));
      const view = { ...fixture.view, mendQueue: async () => await Promise.resolve(false) };
      expect(await rejection(get(view, physicalOffset))).toMatchObject({ code: 'CORRUPT', offset: physicalOffset });
      expect(await get(view, outer.physicalOffset + 88)).toBeUndefined();
    }
  });

  it('a queue that is being made anew again at the second look is waited for', async () => {
    const fixture = await filled(6);
    await fixture.writeQueues();
    const path = fixture.queuePath('orders', 0);
    const whole = Buffer.alloc(20);
    fixture.queues.readEntries(fixture.slotOf('orders', 0), 1, whole, 1);
    fixture.pokeFile(path, 20, Buffer.alloc(20));
    let rebuilding: Promise<void> | undefined;
    const mendQueue = async (): Promise<boolean> => {
      rebuilding = turns(1).then(() => {
        fixture.pokeFile(path, 20, whole);
        rebuilding = undefined;
      });
      return await Promise.resolve(true);
    };
    const queues: ReadableQueues = {
      bounds: (slot) => fixture.queues.bounds(slot),
      readEntries: (...range) => fixture.queues.readEntries(...range),
      firstHeld: (...range) => fixture.queues.firstHeld(...range),
      isTrimmedTo: (...place) => fixture.queues.isTrimmedTo(...place),
      rebuilding: () => rebuilding,
      waiters: fixture.queues.waiters,
    };
    expect(await get({ ...fixture.view, queues, mendQueue }, at(fixture, 2).physicalOffset)).toBeDefined();
  });

  it('what retention has deleted is gone', async () => {
    const fixture = await filled(30, 300);
    await fixture.expireFirst(false);
    expect(await get(fixture.view, 0)).toBeUndefined();
    expect(await get(fixture.view, fixture.segments.minOffset)).toBeDefined();
    fixture.close();
    expect(await rejection(get(fixture.view, 0))).toMatchObject({ code: 'STORE_CLOSED' });
  });

  it('a record larger than the first look is whole', async () => {
    const fixture = await ReadFixture.open({ segmentBytes: 2 ** 21 });
    const { physicalOffset } = fixture.append({ topic: 'a', body: Buffer.alloc(2 ** 20, 'x') });
    expect((await get(fixture.view, physicalOffset))?.body).toEqual(Buffer.alloc(2 ** 20, 'x'));
  });
});

import { describe, expect, it } from 'vitest';
import type { StoreReader } from '../../../src/index.js';
import { memoryPlatform } from '../../../src/testing/index.js';
import { segmentOf, writeInto } from '../../contract/disk-surgery.js';
import { collect, openReader, openTiny, refusal, root } from '../../contract/harness.js';

const queue = { topic: 'T' };
const count = 60;
const damaged = 0;

type Call = readonly [name: string, call: (reader: StoreReader, damagedAt: number) => Promise<unknown>];

const calls: readonly Call[] = [
  ['read', async (reader) => await reader.read(queue, { from: damaged, countMax: 1 })],
  ['get', async (reader, damagedAt) => await reader.get(damagedAt)],
  ['tail', async (reader) => await collect(reader.tail(queue, { from: 'earliest', until: 'end' }))],
  ['tailAll', async (reader) => await collect(reader.tailAll({ from: 'earliest', until: 'end' }))],
  ['findByKey', async (reader) => await collect(reader.findByKey({ ...queue, key: `k-${damaged}` }))],
  ['offsetAt', async (reader) => await reader.offsetAt(queue, 0)],
];

describe('a follower of a store that is repaired', () => {
  for (const [name, call] of calls) {
    it(`sees the repaired segment also where it has taken the place of one that a snapshot shares: ${name}`, async () => {
      const base = memoryPlatform();
      const writer = await openTiny(base);
      let damagedAt = -1;
      for (let i = 0; i < count; i += 1) {
        const receipt = await writer.append({ ...queue, body: `m-${i}`.padEnd(100), keys: [`k-${i}`] });
        if (i === damaged) damagedAt = receipt.physicalOffset;
      }
      await writer.snapshot('/copy', { links: true });
      const reader = await openReader(base);
      const { path, at } = segmentOf(root, 4096, damagedAt);
      await writeInto(base, path, Buffer.alloc(8, 0xff), at + 100);
      expect(await refusal(() => call(reader, damagedAt))).toBe('CORRUPT');
      expect(await reader.verify()).toMatchObject({ ok: false });
      await writer.repair();
      expect(await refusal(() => call(reader, damagedAt))).toBe('none');
      expect(await reader.verify()).toMatchObject({ ok: true });
      await reader.close();
      await writer.close();
    });
  }

  it('sees it by verifying alone', async () => {
    const base = memoryPlatform();
    const writer = await openTiny(base);
    for (let i = 0; i < count; i += 1) await writer.append({ ...queue, body: `m-${i}`.padEnd(100) });
    await writer.snapshot('/copy', { links: true });
    const reader = await openReader(base);
    await writeInto(base, segmentOf(root, 4096, 0).path, Buffer.alloc(8, 0xff), 100);
    expect(await reader.verify()).toMatchObject({ ok: false });
    await writer.repair();
    expect(await reader.verify()).toMatchObject({ ok: true });
    await reader.close();
    await writer.close();
  });
});

import { describe, expect, it } from 'vitest';
import { openStore, type StoreOptions } from '../../src/index.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';

const sizes = { segmentBytes: 4096, queueEntriesPerFile: 16, indexSlotCount: 7, indexEntryCount: 20, freeBytesMin: 0 };

/** A killed store of five durable messages; one bit of the last one's body is the other way round. */
async function withDamagedLastRecord(countBehindSafePoint = 5): Promise<{ disk: MemoryPlatform; offset: number }> {
  const platform = memoryPlatform();
  let store = await openStore('/store', { platform, ...sizes });
  let offset = 0;
  for (let i = 0; i < 5; i += 1) {
    if (i === 5 - countBehindSafePoint) {
      await store.close();
      store = await openStore('/store', { platform, ...sizes });
    }
    offset = (await store.append({ topic: 'T', body: `message ${i}` })).physicalOffset;
  }
  const disk = platform.crash('all');
  await store.close().catch(() => undefined);
  const file = disk.fs.open('/store/commitlog/00000000000000000000', 'read-write');
  const byte = Buffer.alloc(1);
  file.readSync(byte, offset + 90);
  file.writeSync([Buffer.of((byte[0] ?? 0) ^ 1)], offset + 90);
  await file.close();
  return { disk, offset };
}

async function bodiesAfter(recovery: StoreOptions['recovery']): Promise<{ bodies: string[]; max: number; next: number }> {
  const { disk } = await withDamagedLastRecord();
  const store = await openStore('/store', { platform: disk, ...sizes, recovery });
  const { messages } = await store.read({ topic: 'T' }, { from: 0 });
  const { max } = store.bounds({ topic: 'T' });
  const { queueOffset } = await store.append({ topic: 'T', body: 'next' });
  expect(store.recovery.damage.length).toBeGreaterThan(0);
  await store.close();
  return { bodies: messages.map((message) => message.body.toString()), max, next: queueOffset };
}

describe('damage of the very last durable record', () => {
  it('is refused by strict, and is no torn tail', async () => {
    const { disk, offset } = await withDamagedLastRecord();
    const opening = openStore('/store', { platform: disk, ...sizes });
    await expect(opening).rejects.toMatchObject({ code: 'CORRUPT', offset });
  });

  it('costs that record and no number with skip', async () => {
    const { bodies, max, next } = await bodiesAfter('skip');
    expect(bodies).toEqual(['message 0', 'message 1', 'message 2', 'message 3']);
    expect([max, next]).toEqual([5, 5]);
  });

  it('is cut and told with truncate', async () => {
    const { bodies } = await bodiesAfter('truncate');
    expect(bodies).toEqual(['message 0', 'message 1', 'message 2', 'message 3']);
  });

  it('is settled by truncate for good, also where nothing stands behind the last safe point and the next run is killed', async () => {
    const { disk } = await withDamagedLastRecord(1);
    const cut = await openStore('/store', { platform: disk, ...sizes, recovery: 'truncate' });
    expect(cut.bounds({ topic: 'T' }).max).toBe(4);
    const killed = disk.crash('all');
    await cut.close().catch(() => undefined);
    const again = await openStore('/store', { platform: killed, ...sizes });
    expect(again.bounds({ topic: 'T' }).max).toBe(4);
    await again.close();
  });
});

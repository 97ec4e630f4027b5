import { expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { flipBit, removeTree } from '../contract/disk-surgery.js';
import { appendMany, openReader, openTiny, readLog, readQueue, root, texts, until } from '../contract/harness.js';

const segmentBytes = 4096;

it.each(['truncate', 'skip', 'strict'] as const)(
  'a log of which no segment is left goes on where its last one began, and whoever reads it comes to an end (%s)',
  async (recovery) => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { segmentBytes });
    await appendMany(store, 3, { topic: 'T', properties: { filler: 'f'.repeat(1500) } });
    expect(store.stats().segmentCount).toBe(2);
    const killed = platform.crash('all');
    // The first is gone, the only record of the second is damaged, and nothing says that it was durable.
    await removeTree(killed, `${root}/stratalog`);
    await killed.fs.remove(`${root}/commitlog/${'0'.repeat(20)}`);
    await flipBit(killed, `${root}/commitlog/00000000000000004096`, 89);
    const again = await openTiny(killed, { segmentBytes, recovery });
    expect(again.stats()).toMatchObject({ segmentCount: 0, minOffset: segmentBytes, writtenOffset: segmentBytes });
    expect(await readLog(again)).toEqual([]);
    const reader = await openReader(killed);
    expect(await readLog(reader)).toEqual([]);
    expect(await again.append({ topic: 'T', body: 'new' })).toMatchObject({ physicalOffset: segmentBytes });
    expect(texts(await readLog(again))).toEqual(['new']);
    await until(async () => texts(await readLog(reader)).includes('new'));
    await reader.close();
    expect(texts(await readQueue(again, { topic: 'T' }))).toEqual(['new']);
    expect(await again.verify()).toMatchObject({ ok: true });
    await again.close();
    const reopened = await openTiny(killed, { segmentBytes });
    expect(reopened.recovery.cleanShutdown).toBe(true);
    expect(texts(await readLog(reopened))).toEqual(['new']);
    await reopened.close();
  },
);

import { dirname } from 'node:path/posix';
import { expect, it } from 'vitest';
import { openStore } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { createFile, filesBelow, readFile, segmentOf, writeInto } from '../contract/disk-surgery.js';
import { appendMany, openTiny, readLog, root, texts } from '../contract/harness.js';

const sectorBytes = 512;

it('does not take a record whose last sector a power cut has lost for one without properties', async () => {
  const options = {
    segmentBytes: 8192,
    queueEntriesPerFile: 16,
    indexSlotCount: 7,
    indexEntryCount: 20,
    freeBytesMin: 0,
    recordChecksum: false,
  };
  const disk = memoryPlatform();
  const store = await openStore('/store', { platform: disk, ...options, flush: 'async', flushIntervalMs: 60_000 });
  const first = await store.append({ topic: 'T', body: 'first', keys: ['key-0'] });
  await store.flush();
  // Its last sector holds nothing but the end of its only property.
  const withoutBody = first.recordBytes - 'first'.length;
  const bodyBytes = 2 * sectorBytes + 6 - first.recordBytes - withoutBody;
  const last = await store.append({ topic: 'T', body: 'x'.repeat(bodyBytes), keys: ['key-1'] });
  expect((last.physicalOffset + last.recordBytes) % sectorBytes).toBe(6);
  const killed = disk.crash('all');
  await store.close().catch(() => undefined);
  const lostFrom = last.physicalOffset + last.recordBytes - ((last.physicalOffset + last.recordBytes) % sectorBytes);
  const file = killed.fs.open('/store/commitlog/00000000000000000000', 'read-write');
  file.writeSync([Buffer.alloc(sectorBytes)], lostFrom);
  await file.close();

  const again = await openStore('/store', { platform: killed, ...options });
  expect(await again.get(last.physicalOffset)).toBeUndefined();
  expect(again.bounds({ topic: 'T' }).max).toBe(last.queueOffset);
  for await (const message of again.tail({ topic: 'T' }, { from: 'earliest', until: 'end' })) expect(message.keys).toHaveLength(1);
  await again.close();
});

/** Sectors are those of the file: with segments of an odd length, not those of the log. */
it.each([16_384, 20_000])(
  'a record that has lost the last sectors of its properties does not come back, in segments of %i bytes',
  async (segmentBytes) => {
    const platform = memoryPlatform();
    const options = { segmentBytes, recordChecksum: false, flush: 'async', flushIntervalMs: 1e6 } as const;
    const store = await openTiny(platform, options);
    await appendMany(store, 3, { topic: 'T', properties: { filler: 'f'.repeat(segmentBytes / 4) } });
    await appendMany(store, 3, { topic: 'T', properties: { filler: 'f'.repeat(segmentBytes / 4) } });
    const last = await store.append({ topic: 'T', body: 'torn', properties: { color: 'x'.repeat(900) }, keys: ['k'] });
    const disk = platform.crash('all');
    const { path, at } = segmentOf(root, segmentBytes, last.physicalOffset);
    expect(path.endsWith('0'.repeat(20))).toBe(false);
    const end = at + last.recordBytes;
    const from = end - (end % sectorBytes);
    expect(from).toBeGreaterThan(at + 200);
    await writeInto(disk, path, Buffer.alloc(end - from), from);
    const again = await openTiny(disk, options);
    expect(texts(await readLog(again))).not.toContain('torn');
    expect((await again.verify()).faults).toEqual([]);
    await again.close();
  },
);

it('a record whose properties were written in part does not come back without the rest', async () => {
  const platform = memoryPlatform();
  const options = { recordChecksum: false, flush: 'async', flushIntervalMs: 1e6 } as const;
  const store = await openTiny(platform, options);
  await store.append({ topic: 'T', body: 'whole', keys: ['k'] });
  const last = await store.append({ topic: 'T', body: 'torn', properties: { color: 'red', size: 'large' }, keys: ['k'] });
  const end = last.physicalOffset + last.recordBytes;
  expect(Math.floor(end / sectorBytes)).toBe(Math.floor(last.physicalOffset / sectorBytes));
  for (let missing = 1; missing < 30; missing += 1) {
    const disk = memoryPlatform();
    for (const path of filesBelow(platform, root)) {
      await disk.fs.makeDirectory(dirname(path));
      await createFile(disk, path, await readFile(platform, path));
    }
    const path = filesBelow(disk, root).find((each) => each.endsWith('0'.repeat(20)) && !each.includes('consumequeue'))!;
    await writeInto(disk, path, Buffer.alloc(missing), end - missing);
    const again = await openTiny(disk, options);
    expect([missing, texts(await readLog(again))]).toEqual([missing, ['whole']]);
    await again.close();
  }
  await store.close();
});

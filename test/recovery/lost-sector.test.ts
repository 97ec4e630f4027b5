import { expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/index.js';
import { segmentOf, writeInto } from '../contract/disk-surgery.js';
import { appendMany, openTiny, readLog, root, texts } from '../contract/harness.js';

const sectorBytes = 512;

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

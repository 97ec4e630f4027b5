import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/index.js';
import { decodeManifest } from '../../src/recovery/manifest.js';
import { decodeState } from '../../src/recovery/state.js';
import { newestWatermark, type Watermark } from '../../src/recovery/watermark.js';
import { decodeCheckpoint } from '../../src/format/checkpoint.js';
import { type MemoryPlatform, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { traceCalls } from '../../src/testing/trace-calls.js';
import { readFile } from '../contract/disk-surgery.js';
import { appendMany, openTiny, root, systemError, until } from '../contract/harness.js';

async function watermarkOf(platform: MemoryPlatform): Promise<Watermark> {
  return newestWatermark(await readFile(platform, `${root}/stratalog/watermark`))!;
}

async function append(store: Store, count: number): Promise<number> {
  await appendMany(store, count);
  return store.stats().flushedOffset;
}

describe('the watermark of an open store', () => {
  it('has moved to what is durable before a receipt is given, and names its last record', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    for (let i = 0; i < 30; i += 1) {
      const receipt = await store.append({ topic: 'T', body: `m-${i}` });
      const mark = await watermarkOf(platform);
      expect(mark).toMatchObject({
        flushedOffset: receipt.physicalOffset + receipt.recordBytes,
        lastRecordStart: receipt.physicalOffset,
        flush: 'sync',
        lastStoredAt: receipt.storedAt,
      });
    }
    await store.close();
  });

  it('never says more than what was synced: no slot is written while the sync that it speaks of runs', async () => {
    const lines: string[] = [];
    const store = await openTiny(traceCalls(memoryPlatform(), (line) => lines.push(line), root));
    lines.length = 0;
    await store.append({ topic: 'T', body: 'x' });
    const written = lines.findIndex((line) => /^writeSync stratalog\/(tmp|commitlog)\/\d{20} @0/.test(line));
    const synced = lines.findLastIndex(
      (line) => /^(\.\.\. )?(sync|syncDirectory) (stratalog\/tmp\/\d{20}|commitlog)/.test(line) && !line.endsWith('...'),
    );
    const slot = lines.findIndex((line) => line.startsWith('writeSync stratalog/watermark'));
    expect(written).toBeGreaterThanOrEqual(0);
    expect(synced).toBeGreaterThan(written);
    expect(slot).toBeGreaterThan(synced);
    await store.close();
  });

  it('is a new run with each opening, and its sequence goes on', async () => {
    const platform = memoryPlatform();
    const runs = new Set<string>();
    let sequence = 0;
    for (let run = 0; run < 4; run += 1) {
      const store = await openTiny(platform);
      await append(store, 5);
      const mark = await watermarkOf(platform);
      runs.add(mark.runId);
      expect(mark.sequence).toBeGreaterThan(sequence);
      sequence = mark.sequence;
      await store.close();
    }
    expect(runs.size).toBe(4);
  });

  it('of an async store says what is written, soon and without a sync', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { flush: 'async', flushIntervalMs: 1_000_000 });
    for (let i = 0; i < 10; i += 1) await store.append({ topic: 'T', body: `m-${i}` });
    await until(async () => (await watermarkOf(platform)).writtenOffset === store.stats().writtenOffset);
    const mark = await watermarkOf(platform);
    expect(mark.flush).toBe('async');
    expect(mark.flushedOffset).toBe(store.stats().flushedOffset);
    expect(mark.flushedOffset).toBeLessThan(mark.writtenOffset);
    await store.close();
  });

  it('that cannot be written stops nobody; the older slot stands', async () => {
    const base = memoryPlatform();
    let failing = false;
    const platform = withFaults(base, (call) =>
      failing && call.path.endsWith('/watermark') && call.op !== 'close' ? systemError('EIO') : undefined,
    );
    const store = await openTiny(platform);
    const durable = await append(store, 5);
    failing = true;
    await append(store, 5);
    expect((await watermarkOf(base)).flushedOffset).toBe(durable);
    failing = false;
    const now = await append(store, 5);
    expect((await watermarkOf(base)).flushedOffset).toBe(now);
    await store.close();
  });
});

describe('the other side files', () => {
  it('after a clean close agree with each other and with the log', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    await appendMany(store, 60, { keys: ['k'] });
    const { flushedOffset } = store.stats();
    await store.close();
    const manifest = decodeManifest(await readFile(platform, `${root}/stratalog/manifest`))!;
    const state = decodeState(await readFile(platform, `${root}/stratalog/state`))!;
    const checkpoint = await readFile(platform, `${root}/checkpoint`);
    expect(manifest.spans).toEqual([{ from: 0, to: flushedOffset }]);
    expect(state).toMatchObject({
      storeId: manifest.storeId,
      clean: true,
      safeOffset: flushedOffset,
      queues: [{ topic: 'T', queueId: 0, min: 0, max: 60 }],
    });
    expect(state.index?.reduce((sum, file) => sum + file.entryCount, 0)).toBe(60);
    expect(checkpoint.length).toBe(4096);
    expect(checkpoint.toString('hex', 0, 40)).toBe(state.checkpointHex);
    expect(decodeCheckpoint(checkpoint)).toMatchObject({
      logTime: state.lastStoredAt,
      queuesTime: state.lastStoredAt,
      confirmedOffset: flushedOffset,
    });
    expect((await watermarkOf(platform)).flushedOffset).toBe(flushedOffset);
  });

  it('without record checksums no span of the log is called ours', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform, { recordChecksum: false });
    await append(store, 5);
    expect(decodeManifest(await readFile(platform, `${root}/stratalog/manifest`))!.spans).toEqual([]);
    await store.close();
    // From here on with them: only what is written now is ours.
    const again = await openTiny(platform);
    const from = again.stats().writtenOffset;
    expect(decodeManifest(await readFile(platform, `${root}/stratalog/manifest`))!.spans).toEqual([{ from, to: undefined }]);
    await append(again, 5);
    await again.close();
    const last = await openTiny(platform, { recordChecksum: false });
    await append(last, 5);
    expect((await last.verify()).ok).toBe(true);
    const disk = platform.crash('all');
    const recovered = await openTiny(disk);
    expect(recovered.bounds({ topic: 'T' }).max).toBe(15);
    expect((await recovered.verify()).ok).toBe(true);
    await recovered.close();
  });

  it('never say more than what was synced before them: a power cut at any call leaves a state that fits its queues', async () => {
    let crashes = 0;
    for (let nth = 5; nth < 120; nth += 4) {
      const base = memoryPlatform({ seed: nth });
      let crashed: MemoryPlatform | undefined;
      let left: number | undefined;
      const platform = withFaults(base, () => {
        if (left !== undefined && (left -= 1) === 0) crashed = base.crash('random');
        return undefined;
      });
      const store = await openTiny(platform);
      await appendMany(store, 40, { keys: ['k'] });
      left = nth;
      await store.close().catch(() => undefined);
      if (crashed === undefined) break;
      crashes += 1;
      const again = await openTiny(crashed);
      expect(again.bounds({ topic: 'T' })).toEqual({ min: 0, max: 40 });
      expect((await again.verify()).ok).toBe(true);
      await again.close();
    }
    expect(crashes).toBeGreaterThan(5);
  });
});

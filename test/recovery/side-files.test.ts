import { describe, expect, it } from 'vitest';
import { readSmallFile, replaceFile, StorePaths } from '../../src/recovery/side-files.js';
import { WatermarkFile } from '../../src/recovery/watermark-file.js';
import { newestWatermark } from '../../src/recovery/watermark.js';
import { type MemoryPlatform, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { traceCalls } from '../../src/testing/trace-calls.js';
import { createFile, readFile } from '../contract/disk-surgery.js';
import { systemError } from '../contract/harness.js';

const paths = new StorePaths('/store');

async function prepared(): Promise<MemoryPlatform> {
  const platform = memoryPlatform();
  await platform.fs.makeDirectory(paths.making);
  for (const path of ['/', '/store', paths.own]) await platform.fs.syncDirectory(path);
  return platform;
}

describe('replacing a small file', () => {
  it('writes a new one aside, syncs it, renames it, and syncs the directory', async () => {
    const platform = await prepared();
    await createFile(platform, paths.state, Buffer.from('old'));
    const lines: string[] = [];
    await replaceFile(
      traceCalls(platform, (line) => lines.push(line.replace(/tmp\/[0-9a-f]{16}/g, 'tmp/random')), '/store'),
      paths,
      paths.state,
      Buffer.from('new'),
    );
    expect(lines).toEqual([
      'open stratalog/tmp/random create',
      'write stratalog/tmp/random @0 +3',
      'sync stratalog/tmp/random all',
      'close stratalog/tmp/random',
      'rename stratalog/tmp/random stratalog/state',
      'syncDirectory stratalog',
    ]);
  });

  it('leaves the old one or the new one, whole, wherever it fails or the power goes', async () => {
    for (let nth = 1; nth <= 7; nth += 1) {
      const platform = await prepared();
      await createFile(platform, paths.state, Buffer.from('old'));
      const faulty = withFaults(platform, (call) => (call.number === nth ? systemError('EIO') : undefined));
      const failed = await replaceFile(faulty, paths, paths.state, Buffer.from('new')).then(
        () => false,
        () => true,
      );
      expect(failed).toBe(nth <= 6);
      for (const keep of ['synced', 'random', 'random', 'random'] as const) {
        const text = (await readFile(platform.crash(keep), paths.state)).toString();
        expect(failed ? ['old', 'new'] : ['new']).toContain(text);
      }
    }
  });

  it('takes its temporary file away when it fails', async () => {
    for (const op of ['write', 'sync'] as const) {
      const platform = await prepared();
      const faulty = withFaults(platform, (call) => (call.op === op ? systemError('ENOSPC') : undefined));
      await expect(replaceFile(faulty, paths, paths.state, Buffer.from('new'))).rejects.toThrow('ENOSPC');
      expect(platform.fs.list(paths.making)).toEqual([]);
    }
  });
});

describe('reading a small file', () => {
  it('that is missing, or too large to be ours, is nothing', async () => {
    const { fs } = await prepared();
    expect(await readSmallFile(fs, paths.state)).toBeUndefined();
    expect(await readSmallFile(fs, `${paths.making}/x/y`)).toBeUndefined();
    const file = fs.open(paths.state, 'create');
    await file.truncate(101);
    await file.close();
    expect(await readSmallFile(fs, paths.state, 100)).toBeUndefined();
    expect(await readSmallFile(fs, paths.state, 101)).toEqual(Buffer.alloc(101));
  });

  it('that cannot be read is an error, not an absent file', async () => {
    const platform = await prepared();
    await createFile(platform, paths.state, Buffer.from('x'));
    for (const op of ['open', 'readSync', 'sizeBytes'] as const) {
      const faulty = withFaults(platform, (call) => (call.op === op ? systemError('EIO') : undefined));
      await expect(readSmallFile(faulty.fs, paths.state)).rejects.toThrow('EIO');
    }
  });
});

describe('the watermark file', () => {
  const mark = {
    storeId: '0'.repeat(32),
    runId: '1'.repeat(32),
    writtenOffset: 0,
    lastRecordStart: -1,
    lastRecordHash: '',
    lastStoredAt: 0,
    flush: 'sync' as const,
  };

  it('writes its slots in turn, so that the older one stands while the newer is written', async () => {
    const platform = await prepared();
    const lines: string[] = [];
    const file = await WatermarkFile.open(traceCalls(platform, (line) => lines.push(line), '/store').fs, paths.watermark, 6);
    for (const flushedOffset of [10, 20, 30]) file.write({ ...mark, flushedOffset });
    await file.close();
    expect(lines.filter((line) => line.startsWith('writeSync')).slice(-3)).toEqual([
      'writeSync stratalog/watermark @4096 +4096',
      'writeSync stratalog/watermark @0 +4096',
      'writeSync stratalog/watermark @4096 +4096',
    ]);
    expect(newestWatermark(await readFile(platform, paths.watermark))).toMatchObject({ sequence: 9, flushedOffset: 30 });
  });

  it('syncs one after the other, also after one that failed, and closes when they have ended', async () => {
    const platform = await prepared();
    let syncs = 0;
    const faulty = withFaults(platform, (call) => (call.op === 'sync' && (syncs += 1) === 1 ? systemError('EIO') : undefined));
    const file = await WatermarkFile.open(faulty.fs, paths.watermark, 0);
    file.write({ ...mark, flushedOffset: 1 });
    const [first, second] = await Promise.allSettled([file.sync(), file.sync()]);
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
    await file.close();
    expect(syncs).toBe(2);
  });
});

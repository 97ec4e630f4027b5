import { describe, expect, it } from 'vitest';
import { memoryPlatform } from '../../src/testing/memory-platform.js';
import { traceCalls } from '../../src/testing/trace-calls.js';

describe('traceCalls', () => {
  it('tells every call in one line, with paths relative to the root and its result', async () => {
    const lines: string[] = [];
    const { fs } = traceCalls(memoryPlatform(), (line) => lines.push(line), '/store');
    await fs.makeDirectory('/store/log');
    expect(fs.lockDirectory('/store')).toBeDefined();
    expect(fs.lockDirectory('/store')).toBeUndefined();
    const file = fs.open('/store/log/0', 'create');
    file.writeSync([Buffer.alloc(3), Buffer.alloc(4)], 10);
    await file.read(Buffer.alloc(20), 5);
    await file.sync('data');
    expect(() => fs.open('/store/log/1', 'read')).toThrow('ENOENT');
    await fs.rename('/store/log/0', '/store/log/1');
    await expect(fs.remove('/store/none')).rejects.toThrow('ENOENT');
    await fs.syncDirectory('/elsewhere').catch(() => undefined);
    fs.list('/store/log');
    expect(lines).toEqual([
      'makeDirectory log',
      'lockDirectory . = locked',
      'lockDirectory . = refused',
      'open log/0 create',
      'writeSync log/0 @10 +7',
      'read log/0 @5 +20 = 12',
      'sync log/0 data',
      'open log/1 read ! ENOENT',
      'rename log/0 log/1',
      'remove none ! ENOENT',
      'syncDirectory /elsewhere ! ENOENT',
      'list log = 1',
    ]);
  });

  it('shows that a call was not waited for', async () => {
    const lines: string[] = [];
    const { fs } = traceCalls(memoryPlatform(), (line) => lines.push(line));
    const file = fs.open('/f', 'create');
    const synced = file.sync('data');
    file.writeSync([Buffer.alloc(1)], 0);
    await synced;
    await file.close();
    expect(lines).toEqual(['open /f create', 'sync /f data ...', 'writeSync /f @0 +1', '... sync /f data', 'close /f']);
  });
});

import { closeSync, existsSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { writeAll, writeAllSync } from '../../src/platform/full-transfer.js';

/** A device of Linux that takes no byte: each write to it finds the disk full. */
const device = '/dev/full';

describe.skipIf(!existsSync(device))('a disk that takes nothing', () => {
  it('is told by writes of either kind, with the reason of the kernel', async () => {
    const fd = openSync(device, 'r+');
    try {
      const bytes = [Buffer.from('one'), Buffer.from('two')];
      for (const parts of [bytes, bytes.slice(0, 1)]) {
        expect(() => writeAllSync(fd, parts, 0)).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
        const told = await new Promise<unknown>((resolve) => {
          writeAll(fd, parts, 0, resolve);
        });
        expect(told).toMatchObject({ code: 'ENOSPC' });
      }
    } finally {
      closeSync(fd);
    }
  });
});

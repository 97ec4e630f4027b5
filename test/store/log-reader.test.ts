import { expect, it } from 'vitest';
import { RecordView } from '../../src/format/record-view.js';
import { LogReader } from '../../src/store/log-reader.js';
import { takeBuffer } from '../../src/store/read-log.js';
import { ReadFixture } from './read-fixture.js';

const bytes = 100 * 1024;

it('a buffer that is being read into is not given to others, though its reader is released', async () => {
  const fixture = await ReadFixture.open({ segmentBytes: 2 ** 21 });
  fixture.append({ topic: 'a', body: Buffer.alloc(bytes, 1) });
  const reader = new LogReader(fixture.view, new RecordView());
  expect(reader.look(0)).toBe('unread');
  const filled = reader.fill(0);
  reader.release();
  const others = takeBuffer(bytes).fill(7);
  await filled;
  expect(others.every((byte) => byte === 7)).toBe(true);
  expect(reader.holds(0)).toBe(false);
  expect(reader.look(0)).toBe('unread');
});

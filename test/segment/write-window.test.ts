import { describe, expect, it } from 'vitest';
import { Segment } from '../../src/segment/segment.js';
import { WINDOW_BYTES, WindowPool, WriteWindow } from '../../src/segment/write-window.js';
import { memoryPlatform } from '../../src/testing/index.js';

function segment(): Segment {
  return new Segment(memoryPlatform().fs.open('/s', 'create'), '/s', 4096, 4096, false);
}

describe('Segment', () => {
  it('ends where the next one begins', () => {
    expect(segment().endOffset).toBe(8192);
  });
});

describe('WriteWindow', () => {
  it('gives out each byte once, with its place in the log', () => {
    const window = new WriteWindow(Buffer.from('abcdefgh'), segment(), 5000);
    window.filled = 3;
    expect(window.room).toBe(5);
    expect(window.unissuedBytes).toBe(3);
    expect(window.issue()).toEqual({ bytes: Buffer.from('abc'), offset: 5000 });
    expect(window.unissuedBytes).toBe(0);
    window.filled = 8;
    expect(window.issue()).toEqual({ bytes: Buffer.from('defgh'), offset: 5003 });
  });

  it('is issued only when it holds something', () => {
    const window = new WriteWindow(Buffer.alloc(8), segment(), 0);
    expect(() => window.issue()).toThrow('broken invariant');
  });
});

describe('WindowPool', () => {
  it('gives a buffer out again when it has come back', () => {
    const pool = new WindowPool();
    const first = pool.take(100);
    expect(first.length).toBe(WINDOW_BYTES);
    expect(pool.take(WINDOW_BYTES) === first).toBe(false);
    pool.give(first);
    expect(pool.take(1) === first).toBe(true);
  });

  it('has a buffer of its own size for a record that is larger, and does not keep it', () => {
    const pool = new WindowPool();
    const large = pool.take(WINDOW_BYTES + 1);
    expect(large.length).toBe(WINDOW_BYTES + 1);
    pool.give(large);
    expect(pool.take(WINDOW_BYTES).length).toBe(WINDOW_BYTES);
    expect(pool.take(WINDOW_BYTES + 1) === large).toBe(false);
  });

  it('keeps eight buffers at most', () => {
    const pool = new WindowPool();
    const buffers = Array.from({ length: 9 }, () => pool.take(1));
    for (const buffer of buffers) pool.give(buffer);
    const again = new Set(Array.from({ length: 9 }, () => pool.take(1)));
    expect(buffers.filter((buffer) => again.has(buffer))).toHaveLength(8);
  });
});

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { nodeClock } from '../../src/platform/node-clock.js';

describe("Node's clock", () => {
  it('calls back once after the time, unless cancelled', () => {
    vi.useFakeTimers();
    try {
      const fired: string[] = [];
      nodeClock.schedule(100, () => fired.push('kept'));
      const cancel = nodeClock.schedule(50, () => fired.push('cancelled'));
      cancel();
      vi.advanceTimersByTime(99);
      expect(fired).toEqual([]);
      vi.advanceTimersByTime(1000);
      expect(fired).toEqual(['kept']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('measures what has passed by a time of its own, which a wall clock that is set does not move', () => {
    const yearMs = 365 * 24 * 3600 * 1000;
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const before = { wall: nodeClock.nowMs(), monotonic: nodeClock.monotonicMs() };
      for (const years of [10, -10]) {
        vi.setSystemTime(before.wall + years * yearMs);
        expect(nodeClock.nowMs()).toBe(before.wall + years * yearMs);
        const passedMs = nodeClock.monotonicMs() - before.monotonic;
        expect(passedMs >= 0 && passedMs < yearMs).toBe(true);
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it('holds also times longer than a timer of Node can, and cancels them half way', () => {
    vi.useFakeTimers();
    try {
      const dayMs = 24 * 3600 * 1000;
      const fired: string[] = [];
      nodeClock.schedule(60 * dayMs, () => fired.push('60 days'));
      const cancel = nodeClock.schedule(61 * dayMs, () => fired.push('61 days'));
      vi.advanceTimersByTime(59 * dayMs);
      expect(fired).toEqual([]);
      cancel();
      vi.advanceTimersByTime(3 * dayMs);
      expect(fired).toEqual(['60 days']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('keeps the process alive only where it is told to', () => {
    const module = fileURLToPath(new URL('../../src/platform/node-clock.ts', import.meta.url));
    const run = (keepAlive: boolean): string => {
      const script = `import { nodeClock } from ${JSON.stringify(module)}; nodeClock.schedule(20, () => console.log('fired'), ${String(keepAlive)});`;
      return spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { encoding: 'utf8' }).stdout;
    };
    expect(run(true)).toBe('fired\n');
    expect(run(false)).toBe('');
  });

  it('runs what waits for the next turn after the promises of this one', async () => {
    const order: string[] = [];
    nodeClock.nextTurn(() => order.push('turn'));
    await Promise.resolve().then(() => order.push('promise'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual(['promise', 'turn']);
  });
});

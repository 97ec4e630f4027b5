import { describe, expect, it } from 'vitest';
import { manualClock } from '../../src/testing/manual-clock.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';

describe('manualClock', () => {
  it('stands still until it is told', async () => {
    const clock = manualClock(5000);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([5000, 0]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([5000, 0]);
    await clock.advance(70);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([5070, 70]);
  });

  it('fires what is due in the order of time, each at its moment, and nothing else', async () => {
    const clock = manualClock(0);
    const fired: string[] = [];
    const note = (name: string) => () => fired.push(`${name}@${clock.nowMs()}`);
    clock.schedule(30, note('c'));
    clock.schedule(10, note('a'));
    clock.schedule(10, note('b'));
    clock.schedule(31, note('late'));
    const cancel = clock.schedule(20, note('cancelled'));
    cancel();
    await clock.advance(30);
    expect(fired).toEqual(['a@10', 'b@10', 'c@30']);
    await clock.advance(1);
    expect(fired.at(-1)).toBe('late@31');
  });

  it('fires within one advance what a timer has set, after what that timer set off', async () => {
    const clock = manualClock(0);
    const { fs } = memoryPlatform({ clock });
    const seen: string[] = [];
    clock.schedule(10, () => {
      void fs.makeDirectory('/d').then(() => seen.push(`made@${clock.nowMs()}`));
      clock.schedule(5, () => seen.push(`second@${clock.nowMs()} ${String(fs.exists('/d'))}`));
    });
    await clock.advance(100);
    expect(seen).toEqual(['made@10', 'second@15 true']);
    expect(clock.nowMs()).toBe(100);
  });

  it('lets a timer of no time wait for the next millisecond, so that time goes on', async () => {
    const clock = manualClock(0);
    let firedCount = 0;
    const again = (): void => {
      firedCount += 1;
      clock.schedule(0, again);
    };
    clock.schedule(0, again);
    await clock.advance(5);
    expect(firedCount).toBe(5);
  });

  it('runs what waits for the next turn without being told', async () => {
    const clock = manualClock();
    let turned = false;
    clock.nextTurn(() => {
      turned = true;
    });
    expect(turned).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(turned).toBe(true);
  });
});

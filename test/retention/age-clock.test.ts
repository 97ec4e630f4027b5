import { describe, expect, it } from 'vitest';
import { AgeClock } from '../../src/retention/age-clock.js';
import { manualClock } from '../../src/testing/index.js';

describe('the time by which messages age', () => {
  const clockAt = (startMs: number): { age: AgeClock; jump: (ms: number) => void; advance: (ms: number) => Promise<void> } => {
    const clock = manualClock(startMs);
    let offsetMs = 0;
    const age = new AgeClock({ ...clock, nowMs: () => clock.nowMs() + offsetMs });
    return {
      age,
      jump: (ms) => {
        offsetMs += ms;
      },
      advance: async (ms) => {
        await clock.advance(ms);
      },
    };
  };

  it('is the wall clock while that agrees with the time that has passed', async () => {
    const { age, advance } = clockAt(1000);
    expect(age.nowMs()).toBe(1000);
    await advance(500);
    expect(age.nowMs()).toBe(1500);
  });

  it('never runs ahead of the time that has passed, whatever the wall clock says', async () => {
    const { age, jump, advance } = clockAt(1000);
    jump(1_000_000);
    await advance(500);
    expect(age.nowMs()).toBe(1500);
  });

  it('follows a wall clock that goes back', () => {
    const { age, jump } = clockAt(1000);
    jump(-400);
    expect(age.nowMs()).toBe(600);
  });
});

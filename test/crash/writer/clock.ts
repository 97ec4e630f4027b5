import type { Clock } from '../../../src/index.js';

/** The machine's clock with a wall clock that can be set; monotonic time goes on as it does. */
export function steppedClock(base: Clock): Clock & { step(ms: number): void } {
  let offsetMs = 0;
  return {
    nowMs: () => base.nowMs() + offsetMs,
    monotonicMs: () => base.monotonicMs(),
    nextTurn: (callback) => base.nextTurn(callback),
    schedule: (ms, callback, keepAlive) => base.schedule(ms, callback, keepAlive),
    step(ms) {
      offsetMs += ms;
    },
  };
}

import { setImmediate } from 'node:timers';
import type { EpochMs } from '../base/quantities.js';
import type { Clock } from '../platform/platform.js';

/** How many turns of the event loop run after each timer, so that what it set off (I/O on a disk in memory) can happen. */
const settlingTurnCount = 16;
const defaultStartMs: EpochMs = Date.UTC(2024, 0, 1);

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/**
 * Time that stands still until `advance`, which fires what is due in the order of time, each timer at its own moment, and lets
 * the turns of the event loop run in between. `startMs` is 2024-01-01 by default; the monotonic time starts at 0.
 */
export function manualClock(startMs: EpochMs = defaultStartMs): Clock & { advance(ms: number): Promise<void> } {
  let passedMs = 0;
  const timers = new Set<Timer>();
  return {
    nowMs: () => startMs + passedMs,
    monotonicMs: () => passedMs,
    nextTurn(callback) {
      setImmediate(callback);
    },
    schedule(ms, callback) {
      // As Node does: nothing is due at once, or a timer that sets itself again would hold the time still for ever.
      const timer = { dueMs: passedMs + (ms >= 1 ? ms : 1), callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const untilMs = passedMs + ms;
      await settle();
      for (let timer = earliest(timers, untilMs); timer !== undefined; timer = earliest(timers, untilMs)) {
        timers.delete(timer);
        passedMs = Math.max(passedMs, timer.dueMs);
        timer.callback();
        await settle();
      }
      passedMs = Math.max(passedMs, untilMs);
    },
  };
}

/** Of two that are due at the same time the one that was set first. */
function earliest(timers: ReadonlySet<Timer>, untilMs: number): Timer | undefined {
  let found: Timer | undefined;
  for (const timer of timers) {
    if (timer.dueMs <= untilMs && (found === undefined || timer.dueMs < found.dueMs)) found = timer;
  }
  return found;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < settlingTurnCount; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

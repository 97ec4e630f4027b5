import type { EpochMs } from '../base/quantities.js';
import type { Clock } from './platform.js';

/** What a timer of Node can hold; above it, it would fire at once. */
const timerMsMax = 2 ** 31 - 1;

/** The machine's own time and turns. */
export const nodeClock: Clock = {
  nowMs(): EpochMs {
    return Date.now();
  },

  monotonicMs(): number {
    return performance.now();
  },

  nextTurn(callback: () => void): void {
    setImmediate(callback);
  },

  schedule(ms: number, callback: () => void, keepAlive = false): () => void {
    let timer: NodeJS.Timeout;
    const arm = (restMs: number): void => {
      const stepMs = Math.min(restMs, timerMsMax);
      timer = setTimeout(() => (stepMs < restMs ? arm(restMs - stepMs) : callback()), stepMs);
      if (!keepAlive) timer.unref();
    };
    arm(ms);
    return () => clearTimeout(timer);
  },
};

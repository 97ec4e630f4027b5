import { monitorEventLoopDelay } from 'node:perf_hooks';

/** What a stretch of work cost the process: processor, memory, and how long others had to wait for the event loop. */
export interface ProcessUse {
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
  readonly rssBytesMax: number;
  readonly heapUsedBytesMax: number;
  readonly externalBytesMax: number;
  readonly eventLoopDelayMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

const memorySampleMs = 20;
const delayResolutionMs = 1;

/** Begins to watch; the function returned ends it. A program that never leaves a turn is sampled only at its end. */
export function watchProcess(): () => ProcessUse {
  const delay = monitorEventLoopDelay({ resolution: delayResolutionMs });
  const cpuBefore = process.cpuUsage();
  let rssBytesMax = 0;
  let heapUsedBytesMax = 0;
  let externalBytesMax = 0;
  const sample = (): void => {
    const { rss, heapUsed, external } = process.memoryUsage();
    rssBytesMax = Math.max(rssBytesMax, rss);
    heapUsedBytesMax = Math.max(heapUsedBytesMax, heapUsed);
    externalBytesMax = Math.max(externalBytesMax, external);
  };
  const timer = setInterval(sample, memorySampleMs);
  delay.enable();
  return () => {
    delay.disable();
    clearInterval(timer);
    sample();
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      cpuUserMs: user / 1e3,
      cpuSystemMs: system / 1e3,
      rssBytesMax,
      heapUsedBytesMax,
      externalBytesMax,
      eventLoopDelayMs: { p50: overMs(delay.percentile(50)), p99: overMs(delay.percentile(99)), max: overMs(delay.max) },
    };
  };
}

/** The histogram counts the timer's own period too. */
function overMs(delayNs: number): number {
  return delayNs <= 0 ? 0 : Math.max(0, delayNs / 1e6 - delayResolutionMs);
}

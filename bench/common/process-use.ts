import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';
import { openFileCount } from './machine-counters.js';

/** What a stretch of work cost the process: processor, memory, files, and how long others had to wait for the event loop. */
export interface ProcessUse {
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
  readonly rssBytesMax: number;
  readonly heapUsedBytesMax: number;
  readonly externalBytesMax: number;
  /** Where the kernel tells; all descriptors of the process. */
  readonly openFilesMax: number | undefined;
  readonly garbageCollection: { readonly count: number; readonly totalMs: number; readonly maxMs: number };
  readonly eventLoopDelayMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** The longest delay of each stretch of `delayStretchMs`, in order. */
  readonly eventLoopDelayOverTime: readonly { readonly atMs: number; readonly maxMs: number }[];
}

const memorySampleMs = 20;
const delayResolutionMs = 1;
const delayStretchMs = 100;

/** Begins to watch; the function returned ends it. A program that never leaves a turn is sampled only at its end. */
export function watchProcess(): () => ProcessUse {
  const cpuBefore = process.cpuUsage();
  const endDelay = watchDelay();
  const endCollections = watchCollections();
  let rssBytesMax = 0;
  let heapUsedBytesMax = 0;
  let externalBytesMax = 0;
  let openFilesMax: number | undefined;
  const sample = (): void => {
    const { rss, heapUsed, external } = process.memoryUsage();
    rssBytesMax = Math.max(rssBytesMax, rss);
    heapUsedBytesMax = Math.max(heapUsedBytesMax, heapUsed);
    externalBytesMax = Math.max(externalBytesMax, external);
  };
  const sampleFiles = (): void => {
    const count = openFileCount();
    if (count !== undefined) openFilesMax = Math.max(openFilesMax ?? 0, count);
  };
  const memoryTimer = setInterval(sample, memorySampleMs);
  const filesTimer = setInterval(sampleFiles, 10 * memorySampleMs);
  return () => {
    clearInterval(memoryTimer);
    clearInterval(filesTimer);
    sample();
    sampleFiles();
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      cpuUserMs: user / 1e3,
      cpuSystemMs: system / 1e3,
      rssBytesMax,
      heapUsedBytesMax,
      externalBytesMax,
      openFilesMax,
      garbageCollection: endCollections(),
      ...endDelay(),
    };
  };
}

function watchDelay(): () => Pick<ProcessUse, 'eventLoopDelayMs' | 'eventLoopDelayOverTime'> {
  const whole = monitorEventLoopDelay({ resolution: delayResolutionMs });
  const stretch = monitorEventLoopDelay({ resolution: delayResolutionMs });
  const overTime: { atMs: number; maxMs: number }[] = [];
  const started = performance.now();
  const take = (): void => {
    overTime.push({ atMs: Math.round(performance.now() - started), maxMs: overMs(stretch.max) });
    stretch.reset();
  };
  const timer = setInterval(take, delayStretchMs);
  whole.enable();
  stretch.enable();
  return () => {
    clearInterval(timer);
    whole.disable();
    stretch.disable();
    take();
    const eventLoopDelayMs = { p50: overMs(whole.percentile(50)), p99: overMs(whole.percentile(99)), max: overMs(whole.max) };
    return { eventLoopDelayMs, eventLoopDelayOverTime: overTime };
  };
}

/** Entries come in turns of their own; those still on their way are taken at the end. */
function watchCollections(): () => ProcessUse['garbageCollection'] {
  let count = 0;
  let totalMs = 0;
  let maxMs = 0;
  const take = (entries: readonly { readonly duration: number }[]): void => {
    for (const { duration } of entries) {
      count += 1;
      totalMs += duration;
      maxMs = Math.max(maxMs, duration);
    }
  };
  const observer = new PerformanceObserver((list) => take(list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  return () => {
    take(observer.takeRecords());
    observer.disconnect();
    return { count, totalMs, maxMs };
  };
}

/** The histogram counts the timer's own period too; before the first look it holds nonsense. */
function overMs(delayNs: number): number {
  return delayNs <= 0 || !Number.isFinite(delayNs) ? 0 : Math.max(0, delayNs / 1e6 - delayResolutionMs);
}

import { NumbersBefore, NumbersBehind } from '../recovery/queue-numbers.js';
import { type PlacedQueues, placesIn } from '../recovery/queue-places.js';
import type { OwnSpan } from '../recovery/manifest.js';
import type { SkipOptions } from '../recovery/skip-damage.js';
import type { Foundation } from './foundation.js';

/** What an open store knows of its log where that is damaged, for one pass over it up to `limit`, where a record begins or will. */
export function logMending(foundation: Foundation, spans: readonly OwnSpan[], limit: number, signal?: AbortSignal): SkipOptions {
  const { platform, segments, registry, queues, paths, options } = foundation;
  const queueEnds = new Map<string, number>();
  for (let slot = 0; slot < registry.count; slot += 1) {
    queueEnds.set(`${registry.topicOf(slot)}/${registry.queueIdOf(slot)}`, queues.bounds(slot).max);
  }
  const known: PlacedQueues = {
    bounds: (slot) => queues.bounds(slot),
    readEntries: (slot, from, into, count) => queues.peekEntries(slot, from, into, count),
    firstHeld: (slot, from) => queues.firstHeld(slot, from),
  };
  return {
    fs: platform.fs,
    paths,
    segments,
    signal,
    spans,
    storeHost: options.storeHost,
    placesIn: (from, to) => placesIn(known, registry, from, to),
    numbersBefore: new NumbersBefore(segments.minOffset),
    numbersBehind: new NumbersBehind(),
    queueEnds,
    resyncs: new Map(),
    certainResyncs: new Map(),
    durable: limit,
    goesOnAt: limit,
  };
}

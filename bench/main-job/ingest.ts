import { performance } from 'node:perf_hooks';
import type { Store } from '../../src/index.js';
import { formatBytes, formatCount, formatMs } from '../common/numbers.js';
import { queueByNetwork } from './earthquakes.js';
import { printHeading, printLine, printRow } from './print.js';
import type { StoredSoFar } from './stored-so-far.js';

/** Step 1: the events as they are, one call each, as a program would do that receives them one by one. */
export async function ingest(store: Store, stored: StoredSoFar): Promise<void> {
  printHeading('1. Real events', 'A week of earthquakes from the USGS feed, oldest first: one message each, appended one by one.');
  const events = stored.templates.map((template) => template.event);
  const started = performance.now();
  const receipts = await Promise.all(stored.templates.map((template) => store.append(template.original())));
  const elapsedMs = performance.now() - started;
  stored.count = receipts.length;
  for (const receipt of receipts) stored.recordBytes += receipt.recordBytes;
  stored.lastStoredAt = receipts.at(-1)?.storedAt ?? 0;
  printRow('events stored', formatCount(receipts.length), `${formatBytes(stored.recordBytes)} in ${formatMs(elapsedMs)}`);
  printRow('queues, one for each network', formatCount(queueByNetwork(events).size), [...queueByNetwork(events).keys()].join(' '));
  for (const [tag, count] of countByTag(stored)) printRow(`tag ${tag}`, formatCount(count));
  const first = stored.templates[0];
  const last = stored.templates.at(-1);
  if (first === undefined || last === undefined) return;
  printLine(`The first one: keys ${[...first.names, first.hour].join(', ')}; born ${new Date(first.event.properties.time).toISOString()}`);
  printLine(`The last one:  keys ${[...last.names, last.hour].join(', ')}; born ${new Date(last.event.properties.time).toISOString()}`);
  printLine('Classes: micro < 2, minor < 4, light < 5, moderate < 6, strong < 7, major < 8, great; unknown without a magnitude.');
}

function countByTag(stored: StoredSoFar): readonly (readonly [tag: string, count: number])[] {
  const counts = new Map<string, number>();
  for (const { tag } of stored.templates) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts].sort(([, left], [, right]) => right - left);
}

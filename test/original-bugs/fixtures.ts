import { expect } from 'vitest';
import type { Clock, NewMessage, Store, StoreReader } from '../../src/index.js';
import { faultyPlatform, type FaultyPlatform, type MemoryPlatform, memoryPlatform } from '../../src/testing/index.js';
import { collect, openTiny, readLog, readQueue, refusal, root, texts } from '../contract/harness.js';
import { filesBelow, isDirectory } from '../contract/disk-surgery.js';

/** Where most messages go; all of them have the key `all`, and each one of its own. */
export const queue: { readonly topic: string } = { topic: 'T' };
export const segmentBytes = 4096;
export const queueEntryBytes = 20;
/** Segments, also those that still have the name that they were made under. */
export const logFiles: RegExp = /\/(?:commitlog|tmp)\/\d{20}/;
/** Nothing is synced but by `flush()`. */
export const lazy: { readonly flush: 'async'; readonly flushIntervalMs: number } = { flush: 'async', flushIntervalMs: 1_000_000 };

/** A disk in memory, and the way to it on which calls can be made to fail. */
export interface Rig {
  readonly disk: MemoryPlatform;
  readonly platform: FaultyPlatform;
}

export function rig(options: { readonly seed?: number; readonly clock?: Clock; readonly capacityBytes?: number } = {}): Rig {
  const disk = memoryPlatform(options);
  return { disk, platform: faultyPlatform(disk, { seed: options.seed }) };
}

/** `m-FROM` up to and without `m-END`. */
export function bodies(end: number, from = 0): string[] {
  return Array.from({ length: end - from }, (_, i) => `m-${from + i}`);
}

export async function write(store: Store, end: number, from = 0, more: Partial<NewMessage> = {}): Promise<void> {
  const messages = bodies(end, from).map((body) => ({ ...queue, body, keys: ['all', body], ...more }));
  await Promise.all(messages.map(async (message) => await store.append(message)));
}

/** In the queue, in the log and by key there is just this, and every structure says so before any reading could have mended it. */
export async function expectStored(store: Store, expected: readonly string[]): Promise<void> {
  expect((await store.verify()).faults).toEqual([]);
  expect(texts(await readQueue(store, queue))).toEqual(expected);
  expect(texts(await readLog(store))).toEqual(expected);
  expect(texts(await collect(store.findByKey({ ...queue, key: 'all' })))).toEqual([...expected].reverse());
  const { min, max } = store.bounds(queue);
  expect(max - min).toBe(expected.length);
}

/** Opens, looks, closes. */
export async function expectReopened(platform: MemoryPlatform, expected: readonly string[]): Promise<void> {
  const store = await openTiny(platform);
  await expectStored(store, expected);
  await store.close();
}

/** Queues, index and state are on the disk when this returns: a snapshot begins with a safe point. */
export async function safePoint(store: Store): Promise<void> {
  await store.snapshot(`/copy-${(copies += 1)}`);
}
let copies = 0;

/** Queues and index have been written and synced; the state that would have said so has not. */
export async function safePointWithoutState(store: Store, platform: FaultyPlatform): Promise<void> {
  platform.add({ ops: ['rename'], path: /\/stratalog\/tmp\//, count: Number.POSITIVE_INFINITY, fault: { kind: 'error', code: 'EIO' } });
  expect(await refusal(() => safePoint(store))).not.toBe('none');
}

/** Closes a store whose disk may be gone. */
export async function leave(store: StoreReader | undefined): Promise<void> {
  await refusal(() => store?.close());
}

/**
 * Runs `act` on the rig that `prepare` has made, once for each of its calls of the platform, and at that call the power fails. `check` is
 * given what the disk has kept. The result is the number of calls.
 */
export async function powerCutAtEachCall(
  prepare: (rig: Rig) => Promise<Store>,
  act: (store: Store) => Promise<unknown>,
  check: (after: MemoryPlatform, callNumber: number) => Promise<void>,
  keep: 'synced' | 'random' = 'synced',
): Promise<number> {
  for (let callNumber = 1; ; callNumber += 1) {
    let left = Number.POSITIVE_INFINITY;
    let after: MemoryPlatform | undefined;
    const disk = memoryPlatform({ seed: callNumber });
    const before = (): void => {
      left -= 1;
      if (left === 0) after = disk.crash(keep);
    };
    const store = await prepare({ disk, platform: faultyPlatform(disk, { before }) });
    left = callNumber;
    await refusal(() => act(store));
    left = Number.POSITIVE_INFINITY;
    await leave(store);
    if (after === undefined) return callNumber - 1;
    await check(after, callNumber);
  }
}

/** Files of one folder, as they are named there. */
export function filesIn(platform: MemoryPlatform, folder: string): string[] {
  return filesBelow(platform, `${root}/${folder}`);
}

export function segments(platform: MemoryPlatform): readonly string[] {
  return isDirectory(platform, `${root}/commitlog`) ? platform.fs.list(`${root}/commitlog`) : [];
}

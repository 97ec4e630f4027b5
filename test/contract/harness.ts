import type { Clock, Message, NewMessage, Platform, QueueRef, Store, StoreOptions, StoreReader } from '../../src/index.js';
import { nodePlatform, openStore, StoreError } from '../../src/index.js';

/** Files so small that a handful of messages rolls every one of them. */
export const tiny: StoreOptions = {
  segmentBytes: 4096,
  queueEntriesPerFile: 16,
  indexSlotCount: 7,
  indexEntryCount: 20,
  freeBytesMin: 0,
  flushIntervalMs: 10,
};
export const root = '/store';

export function openTiny(platform: Platform, options: StoreOptions = {}): Promise<Store> {
  return openStore(root, { ...tiny, platform, ...options, readOnly: false });
}

export function openReader(platform: Platform, options: StoreOptions = {}): Promise<StoreReader> {
  return openStore(root, { platform, ...options, readOnly: true });
}

/** What `call` throws or rejects with; an Error of its own if it does neither. */
export async function failure(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return new Error('nothing was refused');
}

/** `CODE` of a StoreError, the name of any other error and, of a missing failure, the word `none`. */
export async function refusal(call: () => unknown): Promise<string> {
  const error = await failure(call);
  if (StoreError.is(error)) return error.code;
  if (error instanceof Error) return error.message === 'nothing was refused' ? 'none' : `${error.name}: ${error.message}`;
  return String(error);
}

export async function collect<T>(items: AsyncIterable<T>, countMax: number = Number.POSITIVE_INFINITY): Promise<T[]> {
  const found: T[] = [];
  if (countMax <= 0) return found;
  for await (const item of items) {
    found.push(item);
    if (found.length >= countMax) break;
  }
  return found;
}

/** Everything in one queue that is readable now, by `read`. */
export async function readQueue(store: StoreReader, queue: QueueRef, countMax = 7): Promise<Message[]> {
  const messages: Message[] = [];
  let from: number | 'earliest' = 'earliest';
  for (;;) {
    const result = await store.read(queue, { from, countMax });
    messages.push(...result.messages);
    if (result.next >= result.max) return messages;
    if (result.next === from) throw new Error(`read stands still at ${from} of ${result.max}`);
    from = result.next;
  }
}

export function readLog(store: StoreReader): Promise<Message[]> {
  return collect(store.tailAll({ from: 'earliest', until: 'end' }));
}

export function text(message: Pick<Message, 'body'>): string {
  return message.body.toString('utf8');
}

export function texts(messages: readonly Pick<Message, 'body'>[]): string[] {
  return messages.map(text);
}

/** Many messages of one queue, each awaited together; bodies `name-0`, `name-1`, … */
export async function appendMany(store: Store, count: number, more: Partial<NewMessage> = {}, name = 'm'): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => store.append({ topic: 'T', body: `${name}-${i}`, ...more })));
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** Waits until `holds` says so; a test that would wait for ever ends by its time limit. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 2);
    });
  }
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code });
}

/** A clock whose time is whatever the test says; its timers are the machine's. */
export function settableClock(startMs: number): Clock & { set(ms: number): void } {
  let now = startMs;
  return {
    nowMs: () => now,
    monotonicMs: () => nodePlatform.clock.monotonicMs(),
    nextTurn: (callback) => {
      nodePlatform.clock.nextTurn(callback);
    },
    schedule: (ms, callback, keepAlive) => nodePlatform.clock.schedule(ms, callback, keepAlive),
    set(ms) {
      now = ms;
    },
  };
}

/** Numbers that only look random; the same for the same seed. */
export function randomFrom(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

export function seeds(count: number): number[] {
  const first = Number(process.env['CONTRACT_SEED'] ?? '1');
  return Array.from({ length: Number(process.env['CONTRACT_SEEDS'] ?? count) }, (_, i) => first + i);
}

/** What comes of `call`; meanwhile what waits for the clock happens, and no time passes. */
export async function letting<T>(clock: { advance(ms: number): Promise<void> }, call: Promise<T>): Promise<T> {
  const state = { isDone: false };
  const settled = call.finally(() => {
    state.isDone = true;
  });
  settled.catch(() => undefined);
  while (!state.isDone) await clock.advance(0);
  return await settled;
}

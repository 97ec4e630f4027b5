import { isIP } from 'node:net';
import type { KeptOptions } from '../recovery/manifest.js';
import type { DispatchTarget, FlushMode, StoreListener, StoreOptions } from './contract.js';
import type { NewMessage } from '../format/message.js';

/** Options with their defaults filled in. `kept` holds only what was given: the rest comes from the store itself. */
export interface ResolvedOptions {
  readonly flush: FlushMode;
  readonly flushIntervalMs: number;
  readonly kept: Partial<KeptOptions>;
  readonly keyIndex: boolean;
  readonly recordChecksum: boolean;
  readonly messageBytesMax: number;
  readonly pendingBytesMax: number;
  readonly freeBytesMin: number;
  readonly unflushedBytesMax: number;
  readonly openFilesMax: number;
  readonly retention: {
    readonly maxAgeMs: number | undefined;
    readonly maxBytes: number | undefined;
    readonly diskUseRatioMax: number | undefined;
  };
  readonly recovery: 'strict' | 'skip' | 'truncate';
  readonly readOnly: boolean;
  readonly listener: StoreListener | undefined;
  readonly signal: AbortSignal | undefined;
  readonly storeHost: { readonly address: string; readonly port: number };
  readonly systemMessages: boolean;
  readonly admit: ((message: NewMessage) => NewMessage) | undefined;
  readonly targets: readonly DispatchTarget[];
}

export const DEFAULT_KEPT: KeptOptions = {
  segmentBytes: 1024 * 1024 * 1024,
  queueEntriesPerFile: 300_000,
  indexSlotCount: 5_000_000,
  indexEntryCount: 20_000_000,
};

const MIB = 1024 * 1024;
const INT_31 = 0x7fff_ffff;
const optionNames: readonly (keyof StoreOptions)[] = [
  'flush',
  'flushIntervalMs',
  'segmentBytes',
  'queueEntriesPerFile',
  'indexSlotCount',
  'indexEntryCount',
  'keyIndex',
  'recordChecksum',
  'messageBytesMax',
  'pendingBytesMax',
  'freeBytesMin',
  'retention',
  'recovery',
  'readOnly',
  'listener',
  'platform',
  'signal',
  'unflushedBytesMax',
  'openFilesMax',
  'storeHost',
  'systemMessages',
  'admit',
  'targets',
];
const retentionNames: readonly string[] = ['maxAgeMs', 'maxBytes', 'diskUseRatioMax'];
const listenerNames: readonly string[] = ['onSegmentRolled', 'onSegmentDeleted', 'onFlushed', 'onFailed', 'onRecoveryProgress'];

/** Checks every option; TypeError or RangeError naming the one that is wrong. */
export function resolveOptions(options: StoreOptions): ResolvedOptions {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object');
  refuseUnknown(options, optionNames, 'option');
  const retention = objectOption(options.retention, 'retention');
  refuseUnknown(retention ?? {}, retentionNames, 'retention option');
  const listener = objectOption(options.listener, 'listener');
  refuseUnknown(listener ?? {}, listenerNames, 'listener');
  for (const name of listenerNames) functionOption((listener as Record<string, unknown> | undefined)?.[name], `listener.${name}`);
  functionOption(options.admit, 'admit');
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) throw new TypeError('signal must be an AbortSignal');
  return {
    flush: oneOf(options.flush, ['sync', 'async'], 'flush') ?? 'sync',
    flushIntervalMs: whole(options.flushIntervalMs, 'flushIntervalMs', 1, INT_31) ?? 500,
    kept: keptOptions(options),
    keyIndex: flag(options.keyIndex, 'keyIndex') ?? true,
    recordChecksum: flag(options.recordChecksum, 'recordChecksum') ?? true,
    messageBytesMax: whole(options.messageBytesMax, 'messageBytesMax', 1, 1024 * MIB) ?? 4 * MIB,
    pendingBytesMax: whole(options.pendingBytesMax, 'pendingBytesMax', 1, Number.MAX_SAFE_INTEGER) ?? 64 * MIB,
    freeBytesMin: whole(options.freeBytesMin, 'freeBytesMin', 0, Number.MAX_SAFE_INTEGER) ?? 64 * MIB,
    unflushedBytesMax: whole(options.unflushedBytesMax, 'unflushedBytesMax', 1, Number.MAX_SAFE_INTEGER) ?? 1024 * MIB,
    openFilesMax: whole(options.openFilesMax, 'openFilesMax', 4, 1_000_000) ?? 256,
    retention: {
      maxAgeMs: whole(retention?.maxAgeMs, 'retention.maxAgeMs', 0, Number.MAX_SAFE_INTEGER),
      maxBytes: whole(retention?.maxBytes, 'retention.maxBytes', 0, Number.MAX_SAFE_INTEGER),
      diskUseRatioMax: ratio(retention?.diskUseRatioMax, 'retention.diskUseRatioMax'),
    },
    recovery: oneOf(options.recovery, ['strict', 'skip', 'truncate'], 'recovery') ?? 'strict',
    readOnly: flag(options.readOnly, 'readOnly') ?? false,
    listener: options.listener,
    signal: options.signal,
    storeHost: hostOption(options.storeHost),
    systemMessages: flag(options.systemMessages, 'systemMessages') ?? false,
    admit: options.admit,
    targets: targetsOption(options.targets),
  };
}

function keptOptions(options: StoreOptions): Partial<KeptOptions> {
  const segmentBytes = whole(options.segmentBytes, 'segmentBytes', 512, INT_31);
  const queueEntriesPerFile = whole(options.queueEntriesPerFile, 'queueEntriesPerFile', 1, Math.floor(INT_31 / 20));
  const indexSlotCount = whole(options.indexSlotCount, 'indexSlotCount', 1, Math.floor(INT_31 / 4) - 16);
  const indexEntryCount = whole(options.indexEntryCount, 'indexEntryCount', 2, Math.floor(INT_31 / 20));
  return {
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
    ...(queueEntriesPerFile === undefined ? {} : { queueEntriesPerFile }),
    ...(indexSlotCount === undefined ? {} : { indexSlotCount }),
    ...(indexEntryCount === undefined ? {} : { indexEntryCount }),
  };
}

/** Of a call, where they may be left out: an object, with no other fields than these. */
export function checkOptions(call: string, given: unknown, known: readonly string[]): void {
  if (given === undefined) return;
  if (typeof given !== 'object' || given === null) throw new TypeError(`${call} options must be an object`);
  refuseUnknown(given, known, `${call} option`);
}

/** TypeError for a name that is none of `known`, with the nearest one as a suggestion. */
export function refuseUnknown(given: object, known: readonly string[], what: string): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const nearest = known
      .map((each) => ({ each, distance: editDistance(name.toLowerCase(), each.toLowerCase()) }))
      .sort((a, b) => a.distance - b.distance)[0];
    const hint = nearest !== undefined && nearest.distance <= Math.max(2, name.length / 3) ? `; did you mean ${nearest.each}?` : '';
    throw new TypeError(`unknown ${what} ${JSON.stringify(name)}${hint}`);
  }
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

export function whole(value: unknown, name: string, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${typeof value}`);
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be a whole number from ${min} to ${max}, not ${value}`);
  }
  return value;
}

export function oneOf<const T extends string>(value: unknown, allowed: readonly T[], name: string): T | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw new TypeError(`${name} must be one of ${allowed.join(', ')}, not ${typeof value}`);
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw new RangeError(`${name} must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`);
  return found;
}

function flag(value: unknown, name: string): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw new TypeError(`${name} must be true or false, not ${typeof value}`);
}

function ratio(value: unknown, name: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${typeof value}`);
  if (!(value > 0 && value <= 1)) throw new RangeError(`${name} must be above 0 and at most 1, not ${value}`);
  return value;
}

function objectOption<T extends object>(value: T | undefined, name: string): T | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError(`${name} must be an object`);
  return value;
}

function functionOption(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'function') throw new TypeError(`${name} must be a function, not ${typeof value}`);
}

function hostOption(host: StoreOptions['storeHost']): { readonly address: string; readonly port: number } {
  if (host === undefined) return { address: '127.0.0.1', port: 10911 };
  const { address, port } = objectOption(host, 'storeHost') ?? host;
  if (typeof address !== 'string') throw new TypeError(`storeHost.address must be a string, not ${typeof address}`);
  if (isIP(address) === 0) throw new RangeError(`storeHost.address must be an IPv4 or IPv6 address, not ${JSON.stringify(address)}`);
  const checked = whole(port, 'storeHost.port', 0, 65_535);
  if (checked === undefined) throw new TypeError('storeHost.port must be a number, not undefined');
  return { address, port: checked };
}

function targetsOption(targets: StoreOptions['targets']): readonly DispatchTarget[] {
  if (targets === undefined) return [];
  if (!Array.isArray(targets)) throw new TypeError('targets must be an array');
  for (const target of targets as readonly Partial<DispatchTarget>[]) {
    if (typeof target !== 'object' || target === null || typeof target.name !== 'string')
      throw new TypeError('each of targets needs a name');
    for (const method of ['from', 'dispatch', 'sync'] as const) functionOption(target[method] ?? null, `target ${target.name}: ${method}`);
  }
  return targets;
}

import type { FileSystem, Platform, StoreFile } from '../../../src/index.js';
import type { KillPoint, PointName } from './plan.js';

export interface SeenCall {
  readonly op: string;
  readonly path: string;
}

/** What the process is doing, as far as the file system cannot tell. */
export interface Doing {
  phase: 'opening' | 'open' | 'closing' | 'closed';
  isSnapshotting: boolean;
}

type Run = (op: string, path: string, call: () => unknown) => unknown;

/** The platform, every call of its file system shown to `run`, which makes it. */
export function watchedPlatform(base: Platform, run: Run): Platform {
  const fs = watched(base.fs, (op, first, call) => {
    const result = run(op, String(first), call);
    return op === 'open' ? watchedFile(result as StoreFile, run) : result;
  }) satisfies FileSystem;
  return { fs, clock: base.clock, randomBytes: (count) => base.randomBytes(count) };
}

function watchedFile(file: StoreFile, run: Run): StoreFile {
  return watched(file, (op, _, call) => run(op, file.path, call));
}

function watched<T extends object>(target: T, run: (op: string, first: unknown, call: () => unknown) => unknown): T {
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function' || typeof name !== 'string') return member;
      return (...args: readonly unknown[]): unknown => run(name, args[0], () => Reflect.apply(member, target, args));
    },
  });
}

const isIn = (folder: string, path: string): boolean => path.includes(`/${folder}/`) || path.endsWith(`/${folder}`);
const writes: ReadonlySet<string> = new Set(['write', 'writeSync', 'truncate']);
const changes: ReadonlySet<string> = new Set([
  ...writes,
  'sync',
  'syncDirectory',
  'rename',
  'remove',
  'link',
  'copy',
  'makeDirectory',
  'open',
  'close',
]);
const names: ReadonlySet<string> = new Set(['rename', 'link', 'open', 'syncDirectory']);

/** Which calls belong to a point. */
const belongs: Readonly<Record<PointName, (call: SeenCall, doing: Doing) => boolean>> = {
  'log-write': ({ op, path }, { phase }) => phase === 'open' && writes.has(op) && isIn('commitlog', path),
  'log-sync': ({ op, path }, { phase }) => phase === 'open' && op === 'sync' && isIn('commitlog', path),
  roll: ({ op, path }, { phase }) =>
    phase === 'open' && ((isIn('stratalog/tmp', path) && changes.has(op)) || (isIn('commitlog', path) && names.has(op))),
  retention: ({ op, path }, { phase, isSnapshotting }) =>
    phase === 'open' && !isSnapshotting && (op === 'remove' || op === 'syncDirectory') && !isIn('stratalog', path),
  'safe-point': ({ op, path }, { phase }) =>
    phase === 'open' &&
    changes.has(op) &&
    (isIn('index', path) || /\/(?:checkpoint|state)[^/]*$/.test(path) || (isIn('consumequeue', path) && op === 'sync')),
  watermark: ({ op, path }) => changes.has(op) && path.endsWith('/watermark'),
  'queue-write': ({ op, path }, { phase }) => phase === 'open' && changes.has(op) && isIn('consumequeue', path),
  snapshot: ({ op }, { isSnapshotting }) => isSnapshotting && changes.has(op),
  closing: ({ op }, { phase }) => phase === 'closing' && changes.has(op),
  opening: ({ op }, { phase }) => phase === 'opening' && changes.has(op),
};

/** Makes the call, and ends this process at the point, as `kill -9` does. */
export function killingRun(point: KillPoint | undefined, doing: Doing): Run {
  let count = 0;
  return (op, path, call) => {
    if (point === undefined || !belongs[point.name]({ op, path }, doing)) return call();
    count += 1;
    if (count !== point.nth) return call();
    if (point.moment === 'before') die();
    const result = call();
    if (point.moment === 'during' || !(result instanceof Promise)) die();
    return (result as Promise<unknown>).finally(die);
  };
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}

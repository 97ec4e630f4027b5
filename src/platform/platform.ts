import type { EpochMs } from '../base/quantities.js';

export interface StoreFile {
  readonly path: string;
  /** Fills `into` from `at`; returns the bytes read, fewer only at the end of the file. */
  readSync(into: Uint8Array, at: number): number;
  read(into: Uint8Array, at: number): Promise<number>;
  /** Writes all of `parts` back to back at `at`, or throws; a short write never returns. */
  writeSync(parts: readonly Uint8Array[], at: number): void;
  write(parts: readonly Uint8Array[], at: number): Promise<void>;
  /** Never tried again by anyone after it rejects. */
  sync(kind: 'data' | 'all'): Promise<void>;
  truncate(bytes: number): Promise<void>;
  sizeBytes(): number;
  /** 0: somebody has deleted the file under us. */
  linkCount(): number;
  close(): Promise<void>;
}
export interface DirectoryLock {
  release(): void;
  /** `false`: other stratalog stores are refused, an Apache RocketMQ broker is not. Left out: it is refused as well. */
  readonly refusesBrokers?: boolean | undefined;
}
/** Paths are absolute. What fails, fails with Node's error: an Error with a `code` (`ENOENT`, `EEXIST`, `ENOSPC`, `EIO`, ...). */
export interface FileSystem {
  /** `create`: EEXIST if it is there. The other two: ENOENT if it is not. */
  open(path: string, mode: 'read' | 'read-write' | 'create'): StoreFile;
  exists(path: string): boolean;
  /** Names, not paths, of the files and directories in it, sorted. */
  list(directory: string): readonly string[];
  /** With its parents; no error if it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Replaces `to`. */
  rename(from: string, to: string): Promise<void>;
  /** A file, or an empty directory. */
  remove(path: string): Promise<void>;
  link(from: string, to: string): Promise<void>;
  /** The first `bytes` of `from`, shared where the file system can (reflink). */
  copy(from: string, to: string, bytes: number): Promise<void>;
  /** Makes creations, renames and removals in `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
  /** One holder at a time; `undefined`: somebody has it. */
  lockDirectory(directory: string): DirectoryLock | undefined;
  /** `df`'s figures: what is used, and what this process may still use (`bavail`); the use ratio is used / (used + available). */
  diskUsage(path: string): Promise<{ readonly usedBytes: number; readonly availableBytes: number }>;
}
export interface Clock {
  nowMs(): EpochMs;
  monotonicMs(): number;
  /** After the current turn of the event loop. */
  nextTurn(callback: () => void): void;
  /** Calls back after `ms`; the returned function cancels. Keeps the process alive only if told to (a reader that waits is). */
  schedule(ms: number, callback: () => void, keepAlive?: boolean): () => void;
}
export interface Platform {
  readonly fs: FileSystem;
  readonly clock: Clock;
  randomBytes(count: number): Buffer;
}

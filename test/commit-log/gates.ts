import { deferred } from '../../src/base/deferred.js';
import type { FileSystem, Platform, StoreFile } from '../../src/platform/platform.js';

export interface GatedCall {
  readonly op: 'open' | 'read' | 'writeSync' | 'write' | 'sync' | 'close' | 'rename' | 'remove' | 'syncDirectory';
  readonly path: string;
  /** Of a read or a write: where in the file, and how much. */
  readonly at: number;
  readonly bytes: number;
}

/** An asynchronous call that was made and does nothing until the test says so. */
export interface HeldCall extends GatedCall {
  /** Makes the call; settles with it, and never rejects. */
  release(): Promise<void>;
  fail(error: Error): void;
}

export interface Gates extends Platform {
  /** Calls being held, in order of issue; a call leaves the list when it is released or failed. */
  readonly held: HeldCall[];
  /** Every call so far that was let through, of those that can be held or failed. */
  readonly calls: GatedCall[];
  /** Which asynchronous calls are held from now on; none at first. */
  hold(isHeld: (call: GatedCall) => boolean): void;
  /** Which calls fail from now on, before they do anything; none at first. */
  fail(decide: (call: GatedCall) => Error | undefined): void;
  /** Holds nothing more and lets go of what was held. */
  open(): void;
}

interface Gate {
  now<T>(call: GatedCall, make: () => T): T;
  later<T>(call: GatedCall, make: () => Promise<T>): Promise<T>;
}

/** `base`, where a test decides which calls fail, and when and in which order asynchronous ones take effect. */
export function gatesOver(base: Platform): Gates {
  const held: HeldCall[] = [];
  const calls: GatedCall[] = [];
  let isHeld: (call: GatedCall) => boolean = () => false;
  let decide: (call: GatedCall) => Error | undefined = () => undefined;
  const check = (call: GatedCall): void => {
    const failure = decide(call);
    if (failure !== undefined) throw failure;
    calls.push(call);
  };
  const gate: Gate = {
    now(call, make) {
      check(call);
      return make();
    },
    async later(call, make) {
      check(call);
      return isHeld(call) ? await holdCall(held, call, make) : await make();
    },
  };
  return {
    fs: gatedFileSystem(base.fs, gate),
    clock: base.clock,
    randomBytes: (count) => base.randomBytes(count),
    held,
    calls,
    hold(which) {
      isHeld = which;
    },
    fail(which) {
      decide = which;
    },
    open() {
      isHeld = () => false;
      for (const call of [...held]) void call.release();
    },
  };
}

function holdCall<T>(held: HeldCall[], call: GatedCall, make: () => Promise<T>): Promise<T> {
  const outcome = deferred<T>();
  const leave = (): void => {
    held.splice(held.indexOf(mine), 1);
  };
  const mine: HeldCall = {
    ...call,
    async release() {
      leave();
      await make().then(outcome.resolve, outcome.reject);
    },
    fail(error) {
      leave();
      outcome.reject(error);
    },
  };
  held.push(mine);
  return outcome.promise;
}

function gatedFileSystem(fs: FileSystem, gate: Gate): FileSystem {
  const at = (op: GatedCall['op'], path: string): GatedCall => ({ op, path, at: 0, bytes: 0 });
  return {
    open: (path, mode) => gate.now(at('open', path), () => gatedFile(fs.open(path, mode), gate)),
    exists: (path) => fs.exists(path),
    list: (path) => fs.list(path),
    makeDirectory: (path) => fs.makeDirectory(path),
    rename: (from, to) => gate.later(at('rename', from), () => fs.rename(from, to)),
    remove: (path) => gate.later(at('remove', path), () => fs.remove(path)),
    link: (from, to) => fs.link(from, to),
    copy: (from, to, bytes) => fs.copy(from, to, bytes),
    syncDirectory: (path) => gate.later(at('syncDirectory', path), () => fs.syncDirectory(path)),
    lockDirectory: (path) => fs.lockDirectory(path),
    diskUsage: (path) => fs.diskUsage(path),
  };
}

function gatedFile(file: StoreFile, gate: Gate): StoreFile {
  const { path } = file;
  const call = (op: GatedCall['op'], at: number = 0, bytes: number = 0): GatedCall => ({ op, path, at, bytes });
  return {
    path,
    readSync: (into, at) => file.readSync(into, at),
    read: (into, at) => gate.later(call('read', at, into.length), () => file.read(into, at)),
    writeSync: (parts, at) => gate.now(call('writeSync', at, bytesIn(parts)), () => file.writeSync(parts, at)),
    write: (parts, at) => gate.later(call('write', at, bytesIn(parts)), () => file.write(parts, at)),
    sync: (kind) => gate.later(call('sync'), () => file.sync(kind)),
    truncate: (bytes) => file.truncate(bytes),
    sizeBytes: () => file.sizeBytes(),
    linkCount: () => file.linkCount(),
    close: () => gate.later(call('close'), () => file.close()),
  };
}

function bytesIn(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

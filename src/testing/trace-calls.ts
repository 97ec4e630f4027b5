import type { FileSystem, Platform, StoreFile } from '../platform/platform.js';
import { systemErrorCode } from '../base/errors.js';

/**
 * `base`, with one line of text for every call: `op path arguments = result`, `! CODE` if it failed. Paths are relative to `root`.
 *
 * An asynchronous call that ends before the next one begins is one line. One that is overtaken is two: `sync a data ...` when the
 * next begins, `... sync a data` at its end. So a call that should have been waited for shows as a difference.
 */
export function traceCalls(base: Platform, onCall: (line: string) => void, root = ''): Platform {
  const lines = new TraceLines(onCall, root);
  return { fs: tracedFileSystem(base.fs, lines), clock: base.clock, randomBytes: (count) => base.randomBytes(count) };
}

class TraceLines {
  readonly #onCall: (line: string) => void;
  readonly #root: string;
  /** Begun, nothing begun after it, not told yet. */
  #held: { readonly text: string } | undefined;

  constructor(onCall: (line: string) => void, root: string) {
    this.#onCall = onCall;
    this.#root = root;
  }

  relative(path: string): string {
    const inside = path === this.#root || path.startsWith(`${this.#root}/`) || path.startsWith(`${this.#root}\\`);
    if (this.#root === '' || !inside) return path;
    return path.slice(this.#root.length + 1).replaceAll('\\', '/') || '.';
  }

  now<T>(text: string, call: () => T, show: (result: T) => Shown = nothing): T {
    this.#tellHeld();
    try {
      const result = call();
      this.#onCall(text + shown(show(result)));
      return result;
    } catch (error) {
      this.#onCall(`${text} ! ${nameOf(error)}`);
      throw error;
    }
  }

  async later<T>(text: string, call: () => Promise<T>, show: (result: T) => Shown = nothing): Promise<T> {
    this.#tellHeld();
    const mine = { text };
    this.#held = mine;
    const tell = (outcome: string): void => {
      this.#onCall(this.#held === mine ? text + outcome : `... ${text}${outcome}`);
      if (this.#held === mine) this.#held = undefined;
    };
    try {
      const result = await call();
      tell(shown(show(result)));
      return result;
    } catch (error) {
      tell(` ! ${nameOf(error)}`);
      throw error;
    }
  }

  #tellHeld(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#onCall(`${held.text} ...`);
  }
}

type Shown = string | number | boolean | undefined;

function nothing(): undefined {
  return undefined;
}

function itself<T extends Shown>(result: T): T {
  return result;
}

function shown(result: Shown): string {
  return result === undefined ? '' : ` = ${String(result)}`;
}

function nameOf(error: unknown): string {
  return systemErrorCode(error) ?? String(error);
}

function tracedFileSystem(fs: FileSystem, lines: TraceLines): FileSystem {
  const at = (path: string): string => lines.relative(path);
  return {
    open: (path, mode) => lines.now(`open ${at(path)} ${mode}`, () => tracedFile(fs.open(path, mode), lines)),
    exists: (path) => lines.now(`exists ${at(path)}`, () => fs.exists(path), itself),
    list: (path) =>
      lines.now(
        `list ${at(path)}`,
        () => fs.list(path),
        (names) => names.join(' '),
      ),
    makeDirectory: (path) => lines.later(`makeDirectory ${at(path)}`, () => fs.makeDirectory(path)),
    rename: (from, to) => lines.later(`rename ${at(from)} ${at(to)}`, () => fs.rename(from, to)),
    remove: (path) => lines.later(`remove ${at(path)}`, () => fs.remove(path)),
    link: (from, to) => lines.later(`link ${at(from)} ${at(to)}`, () => fs.link(from, to)),
    copy: (from, to, bytes) => lines.later(`copy ${at(from)} ${at(to)} +${bytes}`, () => fs.copy(from, to, bytes)),
    syncDirectory: (path) => lines.later(`syncDirectory ${at(path)}`, () => fs.syncDirectory(path)),
    lockDirectory: (path) =>
      lines.now(
        `lockDirectory ${at(path)}`,
        () => fs.lockDirectory(path),
        (lock) => (lock === undefined ? 'refused' : 'locked'),
      ),
    diskUsage: (path) => lines.later(`diskUsage ${at(path)}`, () => fs.diskUsage(path)),
  };
}

function tracedFile(file: StoreFile, lines: TraceLines): StoreFile {
  const name = lines.relative(file.path);
  return {
    path: file.path,
    readSync: (into, at) => lines.now(`readSync ${name} @${at} +${into.byteLength}`, () => file.readSync(into, at), itself),
    read: (into, at) => lines.later(`read ${name} @${at} +${into.byteLength}`, () => file.read(into, at), itself),
    writeSync: (parts, at) => lines.now(`writeSync ${name} @${at} +${bytesOf(parts)}`, () => file.writeSync(parts, at)),
    write: (parts, at) => lines.later(`write ${name} @${at} +${bytesOf(parts)}`, () => file.write(parts, at)),
    sync: (kind) => lines.later(`sync ${name} ${kind}`, () => file.sync(kind)),
    truncate: (bytes) => lines.later(`truncate ${name} ${bytes}`, () => file.truncate(bytes)),
    sizeBytes: () => lines.now(`sizeBytes ${name}`, () => file.sizeBytes(), itself),
    linkCount: () => lines.now(`linkCount ${name}`, () => file.linkCount(), itself),
    close: () => lines.later(`close ${name}`, () => file.close()),
  };
}

function bytesOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  return bytes;
}

import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanAtExit } from '../common/cleanups.js';
import { hasCommand, run } from './commands.js';

export type ImageKind = 'ext4' | 'xfs';

export interface ImageOptions {
  readonly bytes?: number | undefined;
  /** Of mkfs. */
  readonly formatOptions?: readonly string[] | undefined;
  readonly mountOptions?: readonly string[] | undefined;
  /** Where the image lies; on this machine's own disk by default. */
  readonly folder?: string | undefined;
  readonly beforeMount?: ((image: string) => void) | undefined;
}

const mib = 1024 * 1024;
/** The least that mkfs.xfs takes. */
const bytesByDefault: Readonly<Record<ImageKind, number>> = { ext4: 256 * mib, xfs: 320 * mib };
const unmountTryCountMax = 50;
/** Stops the file system without writing anything more, the log of its journal included. The number is the same for ext4, xfs and f2fs. */
const shutdownRequest = 0x80_04_58_7d;
const withoutLogFlush = 2;

/** A file system of its own: in an image on a loop device, so that its power can be cut, or in memory. */
export class Mounted {
  readonly path: string;
  readonly #folder: string;
  readonly #mount: () => void;
  readonly #forget: () => void;
  #isMounted = false;

  private constructor(folder: string, mount: (path: string) => void) {
    this.#folder = folder;
    this.path = join(folder, 'mount');
    mkdirSync(this.path);
    this.#mount = () => mount(this.path);
    this.#forget = cleanAtExit(() => {
      if (this.#isMounted) this.#unmountAnyhow();
      rmSync(folder, { recursive: true, force: true });
    });
    this.mount();
  }

  static image(kind: ImageKind, options: ImageOptions = {}): Mounted {
    const folder = mkdtempSync(join(options.folder ?? tmpdir(), 'stratalog-crash-'));
    const image = join(folder, 'image');
    try {
      const fd = openSync(image, 'w');
      ftruncateSync(fd, options.bytes ?? bytesByDefault[kind]);
      closeSync(fd);
      run(`mkfs.${kind}`, '-q', ...(options.formatOptions ?? []), image);
      options.beforeMount?.(image);
      return new Mounted(
        folder,
        (path) => void run('mount', '-t', kind, '-o', ['loop', ...(options.mountOptions ?? [])].join(), image, path),
      );
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  static memory(bytes: number): Mounted {
    const folder = mkdtempSync(join(tmpdir(), 'stratalog-crash-'));
    try {
      return new Mounted(folder, (path) => void run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path));
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  mount(): void {
    this.#mount();
    this.#isMounted = true;
  }

  /** As if the power failed: what was not synced is lost, and nothing can be written any more. */
  cut(): void {
    if (hasCommand('xfs_io')) run('xfs_io', '-x', '-c', 'shutdown', this.path);
    else run('perl', '-e', shutdownScript, this.path);
  }

  /** Fails if somebody has a file open there. */
  unmount(): void {
    for (let tries = 1; ; tries += 1) {
      try {
        run('umount', this.path);
        this.#isMounted = false;
        return;
      } catch (error) {
        // A process that was killed a moment ago may not have let go yet.
        if (tries === unmountTryCountMax) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      }
    }
  }

  remount(options: string): void {
    run('mount', '-o', `remount,${options}`, this.path);
  }

  remove(): void {
    this.#forget();
  }

  get folder(): string {
    return this.#folder;
  }

  #unmountAnyhow(): void {
    try {
      run('umount', this.path);
    } catch {
      run('umount', '-l', this.path);
    }
  }
}

const shutdownScript = [
  'use Fcntl;',
  'sysopen(my $mount, $ARGV[0], O_RDONLY) or die "$!";',
  `my $flags = pack("L", ${withoutLogFlush});`,
  `ioctl($mount, ${shutdownRequest}, $flags) or die "$!";`,
].join(' ');

/** Fills the file system with a file until it is full or `bytes` long; returns the bytes written. */
export function writeBallast(path: string, bytes: number): number {
  const fd = openSync(path, 'w');
  let written = 0;
  const block = Buffer.alloc(64 * 1024, 0xa5);
  try {
    for (let size = block.length; size >= 512 && written < bytes; ) {
      try {
        written += writeSync(fd, block, 0, Math.min(size, bytes - written), written);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        size /= 2;
      }
    }
  } finally {
    closeSync(fd);
  }
  return written;
}

const known = new Map<string, string | undefined>();

/** Why this machine cannot; undefined if it can. Tried once, for real. */
export function whyNoImage(kind: ImageKind): string | undefined {
  return once(kind, () => {
    if (process.platform !== 'linux') return `not on ${process.platform}`;
    if (process.getuid?.() !== 0) return 'needs root';
    if (!hasCommand(`mkfs.${kind}`)) return `no mkfs.${kind} (package ${kind === 'xfs' ? 'xfsprogs' : 'e2fsprogs'})`;
    if (!hasCommand('xfs_io') && !hasCommand('perl')) return 'neither xfs_io nor perl to stop a file system with';
    const mounted = Mounted.image(kind);
    try {
      mounted.cut();
      mounted.unmount();
      return undefined;
    } finally {
      mounted.remove();
    }
  });
}

export function whyNoMemory(): string | undefined {
  return once('tmpfs', () => {
    if (process.platform !== 'linux') return `not on ${process.platform}`;
    if (process.getuid?.() !== 0) return 'needs root';
    Mounted.memory(65_536).remove();
    return undefined;
  });
}

function once(name: string, attempt: () => string | undefined): string | undefined {
  if (!known.has(name)) {
    let why: string | undefined;
    try {
      why = attempt();
    } catch (error) {
      why = `cannot mount ${name}: ${error instanceof Error ? error.message : String(error)}`;
    }
    known.set(name, why);
  }
  return known.get(name);
}

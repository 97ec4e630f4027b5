import type { StoreFile } from '../platform/platform.js';
import { systemError } from '../platform/system-error.js';
import { hashText, joined } from './call-log.js';
import type { Fault } from './fault-rules.js';
import type { FaultyCalls } from './faulty-calls.js';

const sectorBytes = 512;

/** Where a write really goes, and what of it. `undefined`: nowhere. */
interface RealWrite {
  readonly parts: readonly Uint8Array[];
  readonly at: number;
  readonly failsWith: string | undefined;
}

/** A disk in memory that can forget what a failed sync should have kept. */
interface ForgetfulFile extends StoreFile {
  loseUnsynced(): void;
}

/** An open file whose calls are counted, told, and go wrong as the rules say. */
export class FaultyFile implements StoreFile {
  readonly path: string;
  readonly #base: StoreFile;
  readonly #calls: FaultyCalls;

  constructor(base: StoreFile, calls: FaultyCalls) {
    this.path = base.path;
    this.#base = base;
    this.#calls = calls;
  }

  readSync(into: Uint8Array, at: number): number {
    return this.#calls.now(
      'readSync',
      this.path,
      this.#calls.isTold ? ` @${at} +${into.byteLength}` : '',
      (fault) => this.#changed(into, this.#base.readSync(this.#asked(into, fault), at), fault),
      (count) => shownRead(into, count),
    );
  }

  read(into: Uint8Array, at: number): Promise<number> {
    return this.#calls.later(
      'read',
      this.path,
      this.#calls.isTold ? ` @${at} +${into.byteLength}` : '',
      async (fault) => this.#changed(into, await this.#base.read(this.#asked(into, fault), at), fault),
      (count) => shownRead(into, count),
    );
  }

  writeSync(parts: readonly Uint8Array[], at: number): void {
    this.#calls.now('writeSync', this.path, this.#calls.isTold ? writeDetails(parts, at) : '', (fault) => {
      const real = this.#realWrite(parts, at, fault);
      if (real !== undefined) this.#base.writeSync(real.parts, real.at);
      failAfter(real, this.path);
    });
  }

  write(parts: readonly Uint8Array[], at: number): Promise<void> {
    return this.#calls.later('write', this.path, this.#calls.isTold ? writeDetails(parts, at) : '', async (fault) => {
      const real = this.#realWrite(parts, at, fault);
      if (real === undefined) await this.#calls.turn();
      else await this.#base.write(real.parts, real.at);
      failAfter(real, this.path);
    });
  }

  sync(kind: 'data' | 'all'): Promise<void> {
    return this.#calls.later('sync', this.path, ` ${kind}`, async (fault) => {
      if (fault?.kind !== 'lost-sync') {
        await this.#base.sync(kind);
        return;
      }
      if ('loseUnsynced' in this.#base) (this.#base as ForgetfulFile).loseUnsynced();
      await this.#calls.turn();
      throw systemError('EIO', kind === 'data' ? 'fdatasync' : 'fsync', this.path);
    });
  }

  truncate(bytes: number): Promise<void> {
    return this.#calls.later('truncate', this.path, ` ${bytes}`, () => this.#base.truncate(bytes));
  }

  sizeBytes(): number {
    return this.#calls.now('sizeBytes', this.path, '', () => this.#base.sizeBytes(), String);
  }

  linkCount(): number {
    return this.#calls.now('linkCount', this.path, '', () => this.#base.linkCount(), String);
  }

  close(): Promise<void> {
    return this.#calls.later('close', this.path, '', () => this.#base.close());
  }

  #asked(into: Uint8Array, fault: Fault | undefined): Uint8Array {
    return fault?.kind === 'short-read' ? into.subarray(0, this.#calls.random.below(into.byteLength)) : into;
  }

  #changed(into: Uint8Array, count: number, fault: Fault | undefined): number {
    if (fault?.kind === 'flipped-bit' && count > 0) flipBit(into.subarray(0, count), this.#calls.random.below(count * 8));
    return count;
  }

  #realWrite(parts: readonly Uint8Array[], at: number, fault: Fault | undefined): RealWrite | undefined {
    const { random } = this.#calls;
    switch (fault?.kind) {
      case 'short-write': {
        const whole = joined(parts);
        return { parts: [whole.subarray(0, random.below(whole.byteLength))], at, failsWith: fault.code ?? 'ENOSPC' };
      }
      case 'flipped-bit': {
        // A copy: the bytes are the caller's, who may write them again.
        const whole = Uint8Array.from(joined(parts));
        if (whole.byteLength > 0) flipBit(whole, random.below(whole.byteLength * 8));
        return { parts: [whole], at, failsWith: undefined };
      }
      case 'lost-write':
        return undefined;
      case 'misdirected-write':
        return { parts, at: this.#otherPlace(parts, at), failsWith: undefined };
      default:
        return { parts, at, failsWith: undefined };
    }
  }

  /** Inside the file where it is long enough: a disk that writes to the wrong place does not lengthen it. */
  #otherPlace(parts: readonly Uint8Array[], at: number): number {
    const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
    const within = at % sectorBytes;
    const sector = (at - within) / sectorBytes;
    const placeCount = Math.floor((this.#base.sizeBytes() - within - bytes) / sectorBytes) + 1;
    if (placeCount <= sector || placeCount < 2) return at + sectorBytes;
    return within + ((sector + 1 + this.#calls.random.below(placeCount - 1)) % placeCount) * sectorBytes;
  }
}

function failAfter(real: RealWrite | undefined, path: string): void {
  if (real?.failsWith !== undefined) throw systemError(real.failsWith, 'write', path);
}

function flipBit(bytes: Uint8Array, bit: number): void {
  const index = bit >>> 3;
  bytes[index] = (bytes[index] ?? 0) ^ (1 << (bit & 7));
}

function shownRead(into: Uint8Array, count: number): string {
  return `${count} ${hashText(into.subarray(0, count))}`;
}

function writeDetails(parts: readonly Uint8Array[], at: number): string {
  const whole = joined(parts);
  return ` @${at} +${whole.byteLength} ${hashText(whole)}`;
}

import { crc32 } from '../base/checksum.js';
import { systemErrorCode } from '../base/errors.js';

/**
 * Calls as text, for people and for comparing two runs: `12 write /d/f @0 +512 #8d2c1a07` when a call begins, and what became of it, on
 * the same line if it ended at once and as `12 = ...` or `12 ! CODE` if later. `#` is the CRC-32 of the bytes that were written or read.
 */
export class CallLog {
  readonly #onCall: ((line: string) => void) | undefined;

  constructor(onCall: ((line: string) => void) | undefined) {
    this.#onCall = onCall;
  }

  get isOn(): boolean {
    return this.#onCall !== undefined;
  }

  tell(line: string): void {
    this.#onCall?.(line);
  }
}

export function hashText(bytes: Uint8Array): string {
  return `#${crc32(bytes, 0, bytes.byteLength).toString(16).padStart(8, '0')}`;
}

/** Back to back, as one. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const only = parts.length === 1 ? parts[0] : undefined;
  return only ?? Buffer.concat(parts);
}

export function failureText(error: unknown): string {
  return `! ${systemErrorCode(error) ?? String(error)}`;
}

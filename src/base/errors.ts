import type { QueueOffset } from './quantities.js';

/**
 * Refused or broken: a code, stable within a major version. Wrong call: TypeError or RangeError, no code.
 * Cancelled: the signal's own reason.
 */
export type StoreErrorCode =
  | 'STORE_LOCKED'
  | 'STORE_CLOSED'
  | 'STORE_READ_ONLY'
  | 'STORE_NOT_FOUND'
  | 'STORE_FAILED'
  | 'MESSAGE_TOO_LARGE'
  | 'PROPERTIES_TOO_LARGE'
  | 'TOPIC_INVALID'
  | 'MESSAGE_INVALID'
  | 'DISK_FULL'
  | 'OVERLOADED'
  | 'OFFSET_OUT_OF_RANGE'
  | 'CORRUPT'
  | 'FORMAT_UNSUPPORTED'
  | 'OPTIONS_INCOMPATIBLE'
  | 'IO';

/** What an error of that code carries besides; `StoreError.is(error, code)` narrows to it. */
export interface StoreErrorDetails {
  readonly OFFSET_OUT_OF_RANGE: { readonly min: QueueOffset; readonly max: QueueOffset };
  readonly CORRUPT: { readonly path: string; readonly offset: number; readonly what: string };
  readonly STORE_LOCKED: { readonly pid: number | undefined };
}

export interface StoreErrorOptions {
  readonly cause?: unknown;
  /** Of a rejected append; `no` unless said otherwise. */
  readonly stored?: 'no' | 'unknown';
  /** Fields that the error carries besides, see `StoreErrorDetails`. */
  readonly details?: Readonly<Record<string, unknown>>;
}

const retryableCodes: ReadonlySet<StoreErrorCode> = new Set(['STORE_LOCKED', 'OVERLOADED', 'DISK_FULL']);

/** Every refusal and failure of the store. The message says what to do; the code is for programs. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  /** Of a rejected append: `no` after every refusal and roll-back; `unknown` after a failed sync: reopening may bring it back. */
  readonly stored: 'no' | 'unknown';
  /** Whether the same call may succeed later as it is: STORE_LOCKED, OVERLOADED, DISK_FULL. */
  readonly retryable: boolean;

  constructor(code: StoreErrorCode, message: string, options: StoreErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StoreError';
    this.code = code;
    this.stored = options.stored ?? 'no';
    this.retryable = retryableCodes.has(code);
    if (options.details !== undefined) Object.assign(this, options.details);
  }

  /** Whether `error` is a StoreError (of that code). Works across copies of the package. */
  static is<Code extends StoreErrorCode = StoreErrorCode>(
    error: unknown,
    code?: Code,
  ): error is StoreError & { readonly code: Code } & (Code extends keyof StoreErrorDetails ? StoreErrorDetails[Code] : unknown) {
    if (!(error instanceof Error) || error.name !== 'StoreError' || !('code' in error)) return false;
    return code === undefined || error.code === code;
  }
}

/** Bytes on disk that do not verify: where, and what is wrong with them. */
export function corrupt(path: string, offset: number, what: string, cause?: unknown): StoreError {
  return new StoreError('CORRUPT', `${path}: at byte ${offset}: ${what}`, { details: { path, offset, what }, cause });
}

/** The `code` of a failed system call (`ENOENT`, `ENOSPC`, …), if the error has one. */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** A failed system call as the caller of the store sees it. */
export function ioError(doing: string, cause: unknown): StoreError {
  if (StoreError.is(cause)) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const full = systemErrorCode(cause);
  if (full === 'ENOSPC' || full === 'EDQUOT') return new StoreError('DISK_FULL', `${doing}: the disk is full (${reason})`, { cause });
  return new StoreError('IO', `${doing}: ${reason}`, { cause });
}

import { ioError, StoreError, systemErrorCode } from '../base/errors.js';

/** The error of a failed system call as one of the store's; anything else as it is. */
export function typedError(doing: string, error: unknown): unknown {
  if (StoreError.is(error)) {
    // A sector that cannot be read is damage to whoever can make its content anew; to the caller it is a failed read.
    return error.code === 'CORRUPT' && systemErrorCode(error.cause) !== undefined ? ioError(doing, error.cause) : error;
  }
  const code = systemErrorCode(error);
  // Node's own errors of wrong arguments begin with ERR_; those of the system with E and the errno's name.
  return code !== undefined && /^E(?!RR_)[A-Z0-9]+$/.test(code) ? ioError(doing, error) : error;
}

/** What rejects with a system's error rejects with a typed one. */
export async function typed<T>(doing: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw typedError(doing, error);
  }
}

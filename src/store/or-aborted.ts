/** Waits for `work`; where the signal is aborted first, rejects with its reason and leaves the work alone. */
export async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
    // Somebody who has gone does not leave an unhandled rejection behind.
    work.catch(() => undefined);
  }
}

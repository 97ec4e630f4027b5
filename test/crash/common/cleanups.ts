/**
 * What a bench has made on the machine (mounts, loop devices, folders, processes) and must take away again, last made first, however
 * it ends: mounts outlive the process that made them.
 */
type Cleanup = () => void;

const pending = new Set<Cleanup>();
let isWatching = false;

/** Registers `cleanup`, which must be synchronous; the returned function does it now, once. */
export function cleanAtExit(cleanup: Cleanup): () => void {
  watch();
  const once = (): void => {
    if (pending.delete(once)) cleanup();
  };
  pending.add(once);
  return once;
}

export function cleanNow(): void {
  for (const cleanup of [...pending].reverse()) {
    try {
      cleanup();
    } catch (error) {
      console.error(`cleaning up: ${String(error)}`);
    }
  }
}

function watch(): void {
  if (isWatching) return;
  isWatching = true;
  process.on('exit', cleanNow);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      cleanNow();
      process.exit(code);
    });
  }
}

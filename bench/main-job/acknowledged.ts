import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { StoreReader } from '../../src/index.js';
import { liveQueueCount, liveTopic } from './live-events.js';

/**
 * The proof of step 4. The process that gets killed notes the id of each message in a file outside the store, after its receipt and
 * before anything else. The operating system has that note when the process dies; what it does not have is a receipt that was
 * never noted. So each id in the file must be in the store, found by its key and by its queue.
 */
export class AcknowledgedNotes {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'a');
  }

  note(id: string): void {
    writeSync(this.#fd, `${id}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A line without its end is half a note: that id may have been acknowledged, but the file does not say so. */
export function readAcknowledged(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((id) => id !== '');
}

export interface Proof {
  readonly acknowledgedCount: number;
  /** Of the store: those whose receipt was on its way when the process died are allowed to be there. */
  readonly storedCount: number;
  readonly missingByKey: readonly string[];
  readonly missingByQueue: readonly string[];
}

export async function proveAcknowledged(
  store: Pick<StoreReader, 'findByKey' | 'tail'>,
  acknowledged: readonly string[],
  onProgress: (done: number) => void = () => undefined,
): Promise<Proof> {
  const missingByKey: string[] = [];
  for (const [index, id] of acknowledged.entries()) {
    if (!(await isFound(store, id))) missingByKey.push(id);
    if (index % 100 === 0) onProgress(index);
  }
  const stored = await storedIds(store);
  return {
    acknowledgedCount: acknowledged.length,
    storedCount: stored.size,
    missingByKey,
    missingByQueue: acknowledged.filter((id) => !stored.has(id)),
  };
}

/** Nothing acknowledged proves nothing. */
export function isProven(proof: Proof): boolean {
  return proof.acknowledgedCount > 0 && proof.missingByKey.length === 0 && proof.missingByQueue.length === 0;
}

async function isFound(store: Pick<StoreReader, 'findByKey'>, id: string): Promise<boolean> {
  for await (const message of store.findByKey({ topic: liveTopic, key: id })) if (bodyId(message.body) === id) return true;
  return false;
}

async function storedIds(store: Pick<StoreReader, 'tail'>): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (let queueId = 0; queueId < liveQueueCount; queueId += 1) {
    for await (const message of store.tail({ topic: liveTopic, queueId }, { from: 'earliest', until: 'end' })) {
      const id = bodyId(message.body);
      if (id !== undefined) ids.add(id);
    }
  }
  return ids;
}

function bodyId(body: Buffer): string | undefined {
  try {
    const { id } = JSON.parse(body.toString()) as { readonly id?: unknown };
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}

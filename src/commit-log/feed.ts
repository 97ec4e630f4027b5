import type { QueueRegistry } from '../base/queue-registry.js';
import { type FactsTarget, RecordFacts } from '../format/record-facts.js';
import type { RecordView } from '../format/record-view.js';
import { LogScanner, type ScanEnd } from './log-scanner.js';
import type { LogSegments } from './log-segments.js';

const ROWS = 4096;

export interface FeedOptions {
  readonly segments: LogSegments;
  readonly registry: QueueRegistry;
  readonly targets: readonly FactsTarget[];
  readonly from: number;
  readonly to: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((offset: number) => void) | undefined;
  /** Given for what nobody has verified yet: whether the record checksum counts at that offset. Damaged records are passed over then. */
  readonly isOurs?: ((offset: number) => boolean) | undefined;
  /** Behind damage that recovery has not looked at; reads and `verify` speak of it. The next segment, unless something better is known. */
  readonly readOn?: ReadOn | undefined;
  /** After each batch of rows: a place to write what has piled up. */
  readonly afterBatch: () => void;
}

/** Where the log can be read again behind damage. */
export type ReadOn = (stopped: ScanEnd) => Promise<number>;

function nextSegmentOf(segments: LogSegments): ReadOn {
  return (stopped) => Promise.resolve(segments.baseOf(stopped.offset) + segments.segmentBytes);
}

/** Reads [from, to) of the log into the derived structures. Returns how many records that were. */
export async function feed(options: FeedOptions): Promise<number> {
  const { segments, registry, targets, readOn = nextSegmentOf(segments) } = options;
  const facts = new RecordFacts(ROWS);
  const handOver = (): void => {
    for (const target of targets) target.accept(facts, 0, facts.count);
    facts.truncate(0);
    options.afterBatch();
  };
  let count = 0;
  let from = options.from;
  while (from < options.to) {
    const stopped = await new LogScanner(segments).scan(
      {
        from,
        limit: options.to,
        verify: options.isOurs !== undefined,
        isOurs: options.isOurs ?? (() => false),
        signal: options.signal,
        onProgress: options.onProgress,
      },
      (view, offset) => {
        pushFacts(facts, registry, view, offset);
        if (facts.isFull) handOver();
      },
    );
    count += stopped.count;
    from = stopped.reason === 'limit' || stopped.reason === 'end' ? options.to : await readOn(stopped);
  }
  handOver();
  return count;
}

/** A row for a record that was read. */
export function pushFacts(facts: RecordFacts, registry: QueueRegistry, view: RecordView, offset: number): void {
  const slot = view.hasQueueOffset ? registry.slotOf(view.topic, view.queueId) : -1;
  const keyCount = view.readKeys();
  facts.push(offset, view.recordBytes, slot, view.queueOffset, view.tagsCode(), view.storedAt, view.keyHashes, keyCount);
}

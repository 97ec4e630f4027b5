import { feed } from '../commit-log/feed.js';
import type { ScanEnd } from '../commit-log/log-scanner.js';
import { readOnBehind } from './find-resync.js';
import { isInSpans } from './manifest.js';
import type { FactsTarget } from '../format/record-facts.js';
import { entryPhysicalOffset, isEmptyEntry, isPrefill, queueEntryBytes } from '../format/queue-entry.js';
import type { RecoverableIndex, RecoverableQueues, RecoverOptions } from './recover.js';
import type { SkipOptions } from './skip-damage.js';
import type { State } from './state.js';

const PENDING_BYTES_MAX = 4 * 1024 * 1024;

/** Queues that the state knows and whose files are not all there; from which number on they are, if only in front some are missing. */
export function missingQueues(options: RecoverOptions, state: State): Map<string, number | undefined> {
  const { queues, kept } = options;
  const fileBytes = kept.queueEntriesPerFile * queueEntryBytes;
  const onDisk = new Map(queues.listOnDisk().map((queue) => [`${queue.topic}/${queue.queueId}`, new Set(queue.fileStarts)]));
  const missing = new Map<string, number | undefined>();
  for (const queue of state.queues) {
    if (queue.min === queue.max) continue;
    const name = `${queue.topic}/${queue.queueId}`;
    const starts = onDisk.get(name);
    const first = Math.floor((queue.min * queueEntryBytes) / fileBytes);
    const last = Math.floor(((queue.max - 1) * queueEntryBytes) / fileBytes);
    // As many as it has at most: a damaged number that no checksum covers may have moved its end on by billions.
    let held = last + 1;
    while (held > first && starts?.has((held - 1) * fileBytes) === true) held -= 1;
    if (held > first) missing.set(name, held > last ? undefined : held * kept.queueEntriesPerFile);
  }
  return missing;
}

/**
 * Whether a deletion since the safe point has taken the files in front of entry `held`, and nothing else: that entry has expired as well. It is
 * looked at in the files alone.
 */
function areOnlyExpiredMissing(options: RecoverOptions, slot: number, held: number, max: number): boolean {
  const { queues, registry, segments } = options;
  const entry = Buffer.alloc(queueEntryBytes);
  queues.restore(slot, held, max);
  try {
    if (queues.readEntries(slot, held, entry, 1) !== 1 || isEmptyEntry(entry, 0) || isPrefill(entry, 0)) return false;
    return entryPhysicalOffset(entry, 0) < segments.minOffset;
  } catch {
    return false;
  } finally {
    queues.restore(slot, 0, 0);
    registry.next[slot] = 0;
  }
}

/** Restores what the state vouches for and feeds the rest from the log. Returns how many records were fed. */
export async function restoreDerived(
  options: RecoverOptions,
  state: State | undefined,
  from: number,
  end: number,
  skipping: SkipOptions,
): Promise<number> {
  const { queues, registry, segments, index } = options;
  const min = segments.minOffset;
  let start = state === undefined ? min : from;
  const missing = state === undefined ? new Map<string, number | undefined>() : missingQueues(options, state);
  for (const queue of state?.queues ?? []) {
    const name = `${queue.topic}/${queue.queueId}`;
    const slot = registry.slotOf(queue.topic, queue.queueId);
    const held = missing.get(name);
    if (held !== undefined && areOnlyExpiredMissing(options, slot, held, queue.max)) missing.delete(name);
    if (missing.has(name)) start = min;
    else queues.restore(slot, held ?? queue.min, queue.max, state?.trimmedTo);
  }
  if (index !== undefined) {
    const refeedFrom = await openIndex(options, index, state, false);
    if (refeedFrom !== undefined) start = Math.min(start, Math.max(refeedFrom, min));
    await index.cut(end);
  }
  // What lies below `from` has not been read yet: it may be damaged.
  const older = start < from ? await feedFrom(options, start, from, end, skipping) : { count: 0, isWhole: true };
  const newer = await feedFrom(options, Math.max(start, from), end, end);
  if (state !== undefined && !older.isWhole) await distrustWhatIsLeft(options, state, missing);
  await keepNumbers(options, end);
  return older.count + newer.count;
}

/**
 * Queues whose files are not all there and whose messages the log does not tell, being damaged, stay what the state says of them: that
 * numbers are missing is not to pass for messages that have expired, nor for numbers that are still to be given out.
 */
async function distrustWhatIsLeft(options: RecoverOptions, state: State, missing: ReadonlyMap<string, number | undefined>): Promise<void> {
  const { queues, registry, segments } = options;
  for (const { topic, queueId, min, max } of state.queues) {
    const name = `${topic}/${queueId}`;
    if (!missing.has(name)) continue;
    const slot = registry.slotOf(topic, queueId);
    const told = queues.bounds(slot);
    // A deletion has come to the end of a file: the log begins with the first entry that is left.
    const hasExpired = segments.minOffset > state.trimmedTo && told.min < told.max && told.min === missing.get(name);
    const first = hasExpired ? told.min : min;
    if (told.min > first || told.max < max) await queues.distrust(slot, first, Math.max(told.max, max), state.trimmedTo);
  }
}

/**
 * Queues of which the log holds nothing: their numbers go on where their files had come to, as far as these speak of records that
 * are (or were) in the log; and where the state says, whose word on this counts whatever else is wrong with it: files may be gone.
 */
async function keepNumbers(options: RecoverOptions, end: number): Promise<void> {
  const { queues, registry, found } = options;
  for (const queue of queues.listOnDisk()) {
    await options.files.breathe();
    const slot = registry.slotOf(queue.topic, queue.queueId);
    const known = queues.bounds(slot);
    if (known.max > known.min || known.max > 0) continue;
    const given = registry.next[slot] ?? 0;
    const { min, max } = queues.scanFiles(queue.topic, queue.queueId);
    queues.restore(slot, min, max);
    const next = Math.max(lastBelow(queues, slot, end) ?? max, given);
    registry.next[slot] = 0;
    queues.restore(slot, next, next);
  }
  // Of a log that is there from its beginning nothing has expired: a cut goes back in these queues as it does in others.
  const { segments } = options;
  if (options.mode === 'truncate' && segments.minOffset === 0 && segments.bases.length > 0) return;
  for (const { topic, queueId, max } of found.state?.queues ?? []) {
    const slot = registry.slotOf(topic, queueId);
    const known = queues.bounds(slot);
    if (known.min !== known.max || known.max >= max) continue;
    // What its files hold has expired or been cut; the next one made is pre-filled up to its first entry.
    await queues.cut(slot, 0);
    queues.restore(slot, max, max);
  }
}

/** The end of the entries that speak of records below `end`; undefined: the files have holes. */
function lastBelow(queues: RecoverableQueues, slot: number, end: number): number | undefined {
  try {
    return queues.firstAtOrAbove(slot, end);
  } catch {
    return undefined;
  }
}

/** Opens the key index; from where it has to be fed again. A store that was written without one has to be indexed whole. */
export async function openIndex(
  options: RecoverOptions,
  index: RecoverableIndex,
  state: State | undefined,
  clean: boolean,
): Promise<number | undefined> {
  const { refeedFrom } = await index.open(state?.index ?? [], clean && state?.index !== undefined, options.segments.minOffset);
  return state?.index === undefined ? 0 : refeedFrom;
}

/** What has been fed; `isWhole`: without passing over damage. */
interface Fed {
  readonly count: number;
  readonly isWhole: boolean;
}

/** @param skipping given where [from, to) has not been verified: what is known of the log where it is damaged. */
export async function feedFrom(options: RecoverOptions, from: number, to: number, durable: number, skipping?: SkipOptions): Promise<Fed> {
  let isWhole = true;
  const damaged =
    skipping === undefined
      ? {}
      : {
          isOurs: (offset: number): boolean => isInSpans(skipping.spans, offset),
          readOn: async (stopped: ScanEnd): Promise<number> => {
            isWhole = false;
            return await readOnBehind(skipping, stopped);
          },
        };
  const { queues, index, segments, registry } = options;
  const again: FactsTarget = { name: queues.name, accept: (facts, first, end) => queues.acceptAgain(facts, first, end) };
  const targets: FactsTarget[] = index === undefined ? [again] : [again, index];
  const count = await feed({
    segments,
    registry,
    targets,
    from,
    to,
    signal: options.signal,
    ...damaged,
    afterBatch: () => {
      if (queues.pendingBytes > PENDING_BYTES_MAX) queues.writePending(PENDING_BYTES_MAX);
      if (index !== undefined && index.pendingBytes > PENDING_BYTES_MAX) index.writePending(durable, PENDING_BYTES_MAX);
    },
  });
  return { count, isWhole };
}

import { StoreError } from '../base/errors.js';
import { decodeMessage } from '../format/decode-message.js';
import type { Message } from '../format/message.js';
import { RecordView, type RecordKind } from '../format/record-view.js';
import { outOfRange, wrongType } from '../format/refusals.js';
import type { KeyQuery } from './contract.js';
import { slotLeadingTo } from './log-places.js';
import { damagedLog, withRecordAt } from './read-log.js';
import { checkFields, countOf, queueName, signalOf, timeOf } from './read-options.js';
import type { ReadableIndex, ReadView } from './read-view.js';
import { typedError } from './typed-errors.js';

const fieldNames: readonly string[] = ['topic', 'key', 'since', 'until', 'before', 'countMax', 'signal'];

interface Query {
  readonly index: ReadableIndex;
  readonly topic: string;
  readonly key: string;
  readonly since: number;
  readonly until: number;
  readonly before: number;
  readonly countMax: number;
  readonly signal: AbortSignal | undefined;
}

/** What a candidate of the index turned out to be. `strange`: damaged, or a place that the index should not have named. */
type Candidate =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'other' }
  | { readonly kind: 'damaged'; readonly what: string }
  | { readonly kind: 'strange'; readonly what: string };

/** The index is damaged, or has led to a place where no record is; `cause` is what to say if it cannot be mended. */
class IndexFault extends Error {}

/**
 * Messages by key, newest first, each once. The index knows hashes: every candidate is compared with its record. Wrong arguments, and a
 * store without an index, throw at once.
 */
export function findByKey(view: ReadView, query: KeyQuery): AsyncIterable<Message> {
  view.assertReadable();
  const checked = checkQuery(view, query);
  return { [Symbol.asyncIterator]: () => search(view, checked) };
}

function checkQuery(view: ReadView, query: KeyQuery): Query {
  checkFields('query', query, fieldNames);
  const { topic } = queueName(view, { topic: query.topic });
  const { key, since, until, before } = query;
  if (typeof key !== 'string') throw wrongType('key', 'a string', key);
  if (before !== undefined && typeof before !== 'number') throw wrongType('before', 'a physical offset', before);
  if (before !== undefined && before !== Number.POSITIVE_INFINITY && (!Number.isInteger(before) || before < 0)) {
    throw outOfRange('before', 'a physical offset', before);
  }
  const { index } = view;
  if (index === undefined) {
    throw new StoreError('OPTIONS_INCOMPATIBLE', 'there is no key index: open the store with keyIndex: true to find messages by key');
  }
  return {
    index,
    topic,
    key,
    since: since === undefined ? Number.NEGATIVE_INFINITY : timeOf('since', since),
    until: until === undefined ? Number.POSITIVE_INFINITY : timeOf('until', until),
    before: before ?? Number.POSITIVE_INFINITY,
    countMax: countOf('countMax', query.countMax, Number.POSITIVE_INFINITY),
    signal: signalOf(query.signal),
  };
}

async function* search(view: ReadView, query: Query): AsyncGenerator<Message, void, undefined> {
  const record = new RecordView(view.segments.segmentBytes);
  let before = query.before;
  let count = 0;
  let mending: 'untried' | 'done' | 'impossible' = 'untried';
  for (;;) {
    const { resetCount } = query.index;
    const walk = candidates(view, query, before);
    try {
      for await (const offset of walk) {
        if (query.index.resetCount !== resetCount) break;
        // It may have passed over newer ones, and what is handed out comes newest first.
        if (mending === 'untried' && query.index.damage !== undefined) throw new IndexFault('', { cause: query.index.damage });
        const candidate = await candidateAt(view, record, query, offset);
        goOn(view, query);
        if (candidate.kind === 'damaged') throw damagedLog(view, offset, candidate.what);
        if (candidate.kind === 'strange') throw await strangeness(view, offset, candidate.what);
        before = offset;
        if (candidate.kind === 'other') continue;
        view.countRead(1);
        yield candidate.message;
        count += 1;
        if (count >= query.countMax) return;
      }
      // Made anew by somebody else while the caller was busy: the walk goes on in what is there now.
      if (query.index.resetCount !== resetCount) {
        mending = 'untried';
        continue;
      }
      // A broken chain ends the walk: what it leads to may have been missed.
      if (query.index.damage === undefined) return;
      throw new IndexFault('', { cause: query.index.damage });
    } catch (error) {
      if (!(error instanceof IndexFault)) throw typedError('findByKey', error);
      // With what it says after mending, it is the log that is damaged.
      if (mending !== 'untried') throw typedError('findByKey', error.cause);
      mending = (await view.mendIndex().catch(() => false)) ? 'done' : 'impossible';
      // What it does lead to is handed out; that it is damaged is said at the end.
      if (mending === 'impossible' && error.cause !== query.index.damage) throw typedError('findByKey', error.cause);
    }
  }
}

/** Offsets that the index names, each once, newest first. */
async function* candidates(view: ReadView, query: Query, before: number): AsyncGenerator<number, void, undefined> {
  let last = before;
  try {
    goOn(view, query);
    for await (const offset of query.index.find(query.topic, query.key, query.since, query.until, before)) {
      goOn(view, query);
      // A record that has the key twice comes twice in a row.
      if (offset >= last) continue;
      last = offset;
      yield offset;
    }
  } catch (error) {
    throw StoreError.is(error, 'CORRUPT') ? new IndexFault('', { cause: error }) : error;
  }
}

function goOn(view: ReadView, query: Query): void {
  view.assertReadable();
  query.signal?.throwIfAborted();
}

/** Where a queue leads to the place as well, there was a record; otherwise the index is at fault. */
async function strangeness(view: ReadView, offset: number, what: string): Promise<Error> {
  const damage = damagedLog(view, offset, what);
  return (await slotLeadingTo(view, offset)) < 0 ? new IndexFault('', { cause: damage }) : damage;
}

async function candidateAt(view: ReadView, record: RecordView, query: Query, offset: number): Promise<Candidate> {
  if (!Number.isSafeInteger(offset) || offset < view.segments.minOffset || offset >= view.visible()) return { kind: 'other' };
  const look = async (): Promise<Candidate> =>
    await withRecordAt(view, record, offset, (kind, bytes) => judge(view, record, query, offset, kind, bytes));
  const found = await look();
  if (found.kind !== 'damaged' && found.kind !== 'strange') return found;
  return view.reopenLog?.(damagedLog(view, offset, found.what)) === true ? await look() : found;
}

function judge(view: ReadView, record: RecordView, query: Query, offset: number, kind: RecordKind | 'gone', bytes: Buffer): Candidate {
  if (kind === 'gone') return { kind: 'other' };
  if (kind !== 'record') return { kind: 'strange', what: kind === 'blank' ? 'a blank in place of a record' : record.what };
  if (record.physicalOffset !== offset) return { kind: 'strange', what: `a record that says it belongs at ${record.physicalOffset}` };
  if (!record.verify(view.isOurs(offset))) return { kind: 'damaged', what: record.what };
  const { storedAt } = record;
  const isMeant =
    record.hasQueueOffset &&
    !record.isTombstone &&
    record.topic === query.topic &&
    storedAt >= query.since &&
    storedAt < query.until &&
    record.hasKey(query.key);
  if (!isMeant) return { kind: 'other' };
  return { kind: 'message', message: decodeMessage(record, bytes, offset + record.recordBytes <= view.flushed()) };
}

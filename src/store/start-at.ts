import { RecordView } from '../format/record-view.js';
import { outOfRange } from '../format/refusals.js';
import { isRecordBoundary } from './log-places.js';
import { withRecordAt } from './read-log.js';
import { positionAtTime } from './offset-at.js';
import type { Start } from './read-options.js';
import type { ReadView } from './read-view.js';

/** Where a reader begins. */
export interface Beginning {
  readonly position: number;
  /** Messages stored before it are passed over until the first that was not: the time may be still to come. */
  readonly since: number;
}

const noTime = Number.NEGATIVE_INFINITY;

/** `latest` is what it is at the moment of the call. An offset is taken as it is, within the bounds or not. */
export async function queueBeginning(view: ReadView, slot: number, start: Start): Promise<Beginning> {
  const { min, max } = view.queues.bounds(slot);
  if (start.kind === 'earliest') return { position: min, since: noTime };
  if (start.kind === 'latest') return { position: max, since: noTime };
  if (start.kind === 'offset') return { position: start.offset, since: noTime };
  return { position: await positionAtTime(view, slot, start.time), since: start.time };
}

/** The same for the log as a whole. RangeError for an offset, within the log, where no record begins or ends. */
export async function logBeginning(view: ReadView, start: Start): Promise<Beginning> {
  const { minOffset } = view.segments;
  if (start.kind === 'earliest') return { position: minOffset, since: noTime };
  if (start.kind === 'latest') return { position: view.visible(), since: noTime };
  if (start.kind === 'time') return { position: await segmentAtTime(view, start.time), since: start.time };
  const { offset } = start;
  if (offset >= minOffset && offset <= view.visible() && !(await isRecordBoundary(view, offset))) {
    throw outOfRange('from', 'the physical offset of a record, or the end of one', offset);
  }
  return { position: offset, since: noTime };
}

/** The last segment whose first record was stored before `time`: what was stored at or after it begins in there, or behind. */
async function segmentAtTime(view: ReadView, time: number): Promise<number> {
  const bases = [...view.segments.bases];
  const record = new RecordView(view.segments.segmentBytes);
  let low = 0;
  let high = bases.length;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const base = bases[middle] as number;
    const isBefore =
      base < view.visible() && (await withRecordAt(view, record, base, (kind) => kind === 'record' && record.storedAt < time));
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  return Math.max(view.segments.minOffset, bases[low - 1] ?? 0);
}

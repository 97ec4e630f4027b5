import { isPlausibleTopic } from '../format/topic-rules.js';
import { isCount, isRecord, sealJson, unsealJson } from './sealed-json.js';

export interface QueueState {
  readonly topic: string;
  readonly queueId: number;
  readonly min: number;
  readonly max: number;
}

export interface IndexState {
  readonly name: string;
  readonly entryCount: number;
  readonly endPhysicalOffset: number;
}

/**
 * `stratalog/state`: what the derived structures held at a safe point. Everything of records below `safeOffset` is in the
 * queue and index files and synced. Replaced atomically, at each safe point and at close; believed as a whole or not at all.
 */
export interface State {
  readonly storeId: string;
  readonly safeOffset: number;
  /** Written by a clean close; then `safeOffset` is the end of the log. */
  readonly clean: boolean;
  readonly lastStoredAt: number;
  /** The queues' entries, from `min` on, lead there or above. 0: nothing is known of that. */
  readonly trimmedTo: number;
  readonly queues: readonly QueueState[];
  /** Undefined: there was no key index, so whatever index files there are know nothing of some messages. */
  readonly index: readonly IndexState[] | undefined;
  /** The first 40 bytes of `checkpoint` as we wrote them: other bytes there mean that somebody else ran. */
  readonly checkpointHex: string;
  /** What stood there before: a crash may fall between this file and that. */
  readonly previousCheckpointHex: string;
  /** One more with each state. */
  readonly sequence: number;
}

const VERSION = 1;

/** The `safeOffset` of a state whose safe point is void: beyond the end of any log, so nothing of it is believed to be on the disk. */
export const noSafeOffset: number = Number.MAX_SAFE_INTEGER;

/** Nothing but the numbers that had been given out, and who was here last, is told by it. */
export function isVoid(state: State): boolean {
  return state.safeOffset === noSafeOffset;
}

export function encodeState(state: State): Buffer {
  const queues: Record<string, number[]> = Object.create(null) as Record<string, number[]>;
  for (const queue of state.queues) {
    const list = (queues[queue.topic] ??= []);
    list.push(queue.queueId, queue.min, queue.max);
  }
  const index = state.index?.map((file) => [file.name, file.entryCount, file.endPhysicalOffset]);
  return sealJson({ version: VERSION, ...state, queues, index: index ?? null });
}

/** Undefined: none, or one that is not whole. */
export function decodeState(bytes: Buffer | undefined): State | undefined {
  const value = unsealJson(bytes);
  if (!isRecord(value) || value['version'] !== VERSION) return undefined;
  const { storeId, safeOffset, clean, lastStoredAt, checkpointHex, previousCheckpointHex, sequence } = value;
  const trimmedTo = value['trimmedTo'] ?? 0;
  if (typeof storeId !== 'string' || !isCount(safeOffset) || typeof clean !== 'boolean' || !isCount(lastStoredAt)) return undefined;
  if (typeof checkpointHex !== 'string' || typeof previousCheckpointHex !== 'string' || !isCount(sequence) || !isCount(trimmedTo))
    return undefined;
  const queues = decodeQueues(value['queues']);
  const index = value['index'] === null ? undefined : decodeIndex(value['index']);
  if (queues === undefined || (index === undefined && value['index'] !== null)) return undefined;
  return { storeId, safeOffset, clean, lastStoredAt, checkpointHex, previousCheckpointHex, sequence, trimmedTo, queues, index };
}

function decodeQueues(value: unknown): QueueState[] | undefined {
  if (!isRecord(value)) return undefined;
  const queues: QueueState[] = [];
  for (const [topic, list] of Object.entries(value)) {
    // It becomes part of a path.
    if (!isPlausibleTopic(Buffer.from(topic)) || !Array.isArray(list) || list.length % 3 !== 0) return undefined;
    for (let i = 0; i < list.length; i += 3) {
      const [queueId, min, max] = list.slice(i, i + 3) as unknown[];
      if (!isCount(queueId) || !isCount(min) || !isCount(max) || min > max) return undefined;
      queues.push({ topic, queueId, min, max });
    }
  }
  return queues;
}

function decodeIndex(value: unknown): IndexState[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const files: IndexState[] = [];
  for (const file of value as unknown[]) {
    if (!Array.isArray(file)) return undefined;
    const [name, entryCount, endPhysicalOffset] = file as unknown[];
    if (typeof name !== 'string' || !/^\d{17}$/.test(name) || !isCount(entryCount) || !isCount(endPhysicalOffset)) return undefined;
    files.push({ name, entryCount, endPhysicalOffset });
  }
  return files;
}

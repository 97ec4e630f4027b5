import { corrupt, StoreError } from '../base/errors.js';
import { encodeCheckpoint } from '../format/checkpoint.js';
import { indexEntryAt, indexFileBytes } from '../format/index-layout.js';
import { queueEntryBytes } from '../format/queue-entry.js';
import { segmentName } from '../format/segment-name.js';
import { encodeManifest, type Manifest } from '../recovery/manifest.js';
import { readSmallFile, type StorePaths } from '../recovery/side-files.js';
import { encodeState, isVoid, type QueueState, type State } from '../recovery/state.js';
import { encodeWatermark, SLOT_BYTES } from '../recovery/watermark.js';
import type { Moment, SnapshotSource } from './snapshot.js';
import type { SnapshotFiles } from './snapshot-files.js';

export interface CopyPlan {
  readonly source: SnapshotSource;
  readonly moment: Moment;
  /** Of the copy: with an id of its own, for it will go its own way. */
  readonly manifest: Manifest;
  readonly files: SnapshotFiles;
  readonly to: StorePaths;
  readonly links: boolean;
  /** Throws where the copy is not wanted any more. */
  readonly goOn: () => void;
}

export interface CopiedLog {
  /** From here on the log was copied; below it, linked. */
  readonly firstCopied: number;
}

const CHECKPOINT_FILE_BYTES = 4096;
const CONFIG_COPIED: readonly string[] = ['config'];

/** Makes all files of a copy, each durable; not yet the directories. */
export async function copyStore(plan: CopyPlan): Promise<CopiedLog> {
  const { moment, to, files } = plan;
  for (const path of [to.commitLog, to.consumeQueue, to.index, to.config, to.own, to.making]) await files.makeDirectory(path);
  const log = await copyLog(plan);
  if (moment.state === undefined || isVoid(moment.state)) await files.copyTree(plan.source.paths.consumeQueue, to.consumeQueue, plan.goOn);
  else await copyDerived(plan, moment.state);
  for (const name of CONFIG_COPIED) await files.copyTree(`${plan.source.paths.root}/${name}`, `${to.root}/${name}`, plan.goOn);
  await copySideFiles(plan);
  return log;
}

/**
 * The newest segment first: where another process deletes old ones meanwhile, what is missing is missing at the beginning, and the copy
 * begins later.
 */
async function copyLog(plan: CopyPlan): Promise<CopiedLog> {
  const { source, moment, to, files, goOn } = plan;
  const { segments } = source;
  let firstCopied = moment.end;
  let count = 0;
  const bases = segments.bases.filter((base) => base < moment.end);
  const oldest = bases[0] ?? Number.POSITIVE_INFINITY;
  for (let base = bases.at(-1) ?? 0; base >= oldest; base -= segments.segmentBytes) {
    goOn();
    const from = segments.pathOf(base);
    const target = `${to.commitLog}/${segmentName(base)}`;
    const bytes = Math.min(moment.end - base, segments.segmentBytes);
    if (plan.links && bytes === segments.segmentBytes && (await files.link(from, target))) {
      count += 1;
      continue;
    }
    if (!(await files.copy(from, target, bytes, segments.segmentBytes))) {
      // What is deleted is a prefix of the log: anything else is a loss, and a copy that began behind it would hide that.
      if (!source.isDeleted(base)) throw corrupt(from, 0, 'the segment is missing');
      break;
    }
    firstCopied = base;
    count += 1;
  }
  if (count === 0 && moment.end > 0 && bases.length > 0) throw new StoreError('IO', 'the log was deleted while it was copied');
  return { firstCopied };
}

async function copyDerived(plan: CopyPlan, state: State): Promise<void> {
  for (const queue of state.queues) {
    plan.goOn();
    await copyQueue(plan, queue);
  }
  const { indexSlotCount, indexEntryCount } = plan.source.kept;
  for (const file of state.index ?? []) {
    plan.goOn();
    const bytes = indexEntryAt(indexSlotCount, file.entryCount + 1);
    const fullBytes = indexFileBytes(indexSlotCount, indexEntryCount);
    await plan.files.copy(
      `${plan.source.paths.index}/${file.name}`,
      `${plan.to.index}/${file.name}`,
      Math.min(bytes, fullBytes),
      fullBytes,
    );
  }
}

/** Entries that the state speaks of, and none that came later. Files that are gone hold only what has expired. */
async function copyQueue(plan: CopyPlan, queue: QueueState): Promise<void> {
  const { source, to, files } = plan;
  const { queueEntriesPerFile } = source.kept;
  const fileBytes = queueEntriesPerFile * queueEntryBytes;
  const folder = `${queue.topic}/${queue.queueId}`;
  if (queue.min === queue.max) return;
  const last = Math.floor((queue.max - 1) / queueEntriesPerFile);
  for (let index = Math.floor(queue.min / queueEntriesPerFile); index <= last; index += 1) {
    const name = segmentName(index * fileBytes);
    const bytes = Math.min(fileBytes, (queue.max - index * queueEntriesPerFile) * queueEntryBytes);
    await files.copy(`${source.paths.consumeQueue}/${folder}/${name}`, `${to.consumeQueue}/${folder}/${name}`, bytes, fileBytes);
  }
}

async function copySideFiles(plan: CopyPlan): Promise<void> {
  const { moment, manifest, to, files, source } = plan;
  await files.write(to.manifest, encodeManifest(manifest));
  if (moment.watermark !== undefined) {
    const slots = Buffer.alloc(2 * SLOT_BYTES);
    const watermark = { ...moment.watermark, storeId: manifest.storeId, writtenOffset: moment.end, sequence: 1 };
    encodeWatermark(watermark, slots.subarray(SLOT_BYTES));
    await files.write(to.watermark, slots);
  }
  if (moment.state === undefined) {
    const found = await readSmallFile(source.platform.fs, source.paths.checkpoint, CHECKPOINT_FILE_BYTES);
    await files.write(
      to.checkpoint,
      found ?? encodeCheckpoint({ logTime: 0, queuesTime: 0, indexTime: 0, masterFlushedOffset: 0, confirmedOffset: 0 }),
    );
    return;
  }
  const { state } = moment;
  await files.write(to.state, encodeState({ ...state, storeId: manifest.storeId, clean: false, sequence: 1 }));
  const checkpoint = Buffer.alloc(CHECKPOINT_FILE_BYTES);
  checkpoint.write(state.checkpointHex, 0, 40, 'hex');
  await files.write(to.checkpoint, checkpoint);
}

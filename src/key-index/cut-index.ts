import type { IndexFile } from './index-file.js';
import type { IndexStorage } from './index-storage.js';
import { rebuildSlots } from './rebuild-slots.js';

/**
 * Takes the entries of records at or above `end` back: whole files from the newest on, then the tail of the one that is the newest now.
 * Returns whether a file was removed. What is on disk is made durable by the next safe point; until then the state on disk names
 * entries that are gone, is not confirmed by them, and the files are set aside and fed again.
 */
export async function cutIndex(storage: IndexStorage, files: IndexFile[], end: number): Promise<boolean> {
  let hasRemoved = false;
  let newest = files.at(-1);
  while (newest !== undefined && (newest.entryCount === 0 || newest.beginPhysicalOffset >= end)) {
    files.pop();
    newest.isGone = true;
    storage.pending.cutTo(Math.max(storage.pending.first, newest.firstSequence));
    if (newest.onDisk !== 'no') {
      await storage.files.forget(newest.path);
      await storage.fs.remove(newest.path);
      hasRemoved = true;
    }
    newest = files.at(-1);
  }
  if (hasRemoved) await storage.fs.syncDirectory(storage.directory);
  if (newest === undefined || newest.endPhysicalOffset < end) return hasRemoved;
  cutPending(storage, newest, end);
  if (newest.endPhysicalOffset >= end) await rebuildSlots(storage, newest, countBelow(storage, newest, end), newest.endTime);
  return hasRemoved;
}

/** Newest first, each slot gets back what it held before: no file is read. */
function cutPending(storage: IndexStorage, file: IndexFile, end: number): void {
  const pending = storage.pending;
  const cutAt = pending.lowerBound(end);
  for (let sequence = pending.end - 1; sequence >= cutAt; sequence -= 1) {
    file.slots?.set(pending.keyHashAt(sequence) % storage.slotCount, pending.previousAt(sequence));
  }
  file.entryCount -= pending.end - cutAt;
  const hasPending = cutAt > pending.first;
  file.endTime = hasPending ? pending.storedAtAt(cutAt - 1) : file.written.endTime;
  file.endPhysicalOffset = hasPending ? pending.physicalOffsetAt(cutAt - 1) : file.written.endPhysicalOffset;
  pending.cutTo(cutAt);
}

/** Entries of records below `end`, at least 1: the caller knows that the first one is. */
function countBelow(storage: IndexStorage, file: IndexFile, end: number): number {
  let low = 1;
  let high = file.entryCount;
  while (low < high) {
    const middle = low + Math.floor((high - low + 1) / 2);
    if (storage.physicalOffsetOf(file, middle) < end) low = middle;
    else high = middle - 1;
  }
  return low;
}

import { openStore, type Store, type StoreOptions } from '../../src/index.js';
import { manualClock, memoryPlatform } from '../../src/testing/index.js';
import { collect } from '../contract/harness.js';
import { copyOf, type Image, imageOf, root } from './image.js';
import type { Ending, MadeStore } from './made-store.js';

const options: StoreOptions & { readonly segmentBytes: number } = {
  segmentBytes: 4096,
  queueEntriesPerFile: 8,
  indexSlotCount: 5,
  indexEntryCount: 40,
  freeBytesMin: 0,
  flush: 'sync',
};
const MESSAGE_COUNT = 36;

/** 36 messages in three queues over three segments; in its second life, so that half of it lies below the state's safe offset. */
export async function tableStore(ending: Exclude<Ending, 'power cut'>): Promise<MadeStore> {
  const clock = manualClock();
  let disk = memoryPlatform({ seed: 1, clock });
  let store = await openStore(root, { ...options, platform: disk });
  for (let i = 0; i < 6; i += 1) await writeOne(store, i);
  await store.close();
  const older = imageOf(disk);
  store = await openStore(root, { ...options, platform: disk });
  for (let i = 6; i < MESSAGE_COUNT; i += 1) await writeOne(store, i);
  await store.flush();
  const messages = await collect(store.tailAll({ from: 'earliest', until: 'end' }));
  const durable = store.stats().flushedOffset;
  if (ending === 'closed') await store.close();
  else disk = disk.crash('all');
  return { seed: 1, ending, image: imageOf(disk), older: copyOf(older), messages, unacknowledged: [], options, durable };
}

async function writeOne(store: Store, i: number): Promise<void> {
  await store.append({
    topic: i % 3 === 0 ? 'Orders' : 'T',
    queueId: i % 2,
    body: `${i}:`.padEnd(40 + ((i * 53) % 190), 'abcdefg'),
    keys: [`key-${i}`, 'all'],
    tag: `tag-${i % 3}`,
    properties: { color: `c${i}` },
  });
}

/** Where a record's bytes stand. */
export function placeInLog(made: MadeStore, index: number, inside: number): { readonly path: string; readonly at: number } {
  const offset = (made.messages[index]?.physicalOffset ?? 0) + inside;
  const base = offset - (offset % made.options.segmentBytes);
  return { path: `commitlog/${String(base).padStart(20, '0')}`, at: offset - base };
}

export function pathLike(image: Image, start: string, which: number): string {
  const paths = [...image.keys()].filter((path) => path.startsWith(start)).sort();
  return paths.at(which) ?? start;
}

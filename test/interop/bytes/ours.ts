import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AppendReceipt, nodePlatform, openStore, type Platform } from '../../../src/index.js';
import { checksumPropertyBytes } from '../../../src/format/record-layout.js';
import { RecordView } from '../../../src/format/record-view.js';
import { segmentName } from '../../../src/format/segment-name.js';
import { capacities } from './capacities.js';
import type { Step } from './messages.js';

export interface OurWish {
  readonly directory: string;
  readonly recordChecksum: boolean;
  readonly storeHost: { readonly address: string; readonly port: number };
}

/** Files and turns of this machine, but a time of day that is set from outside. */
function platformAt(time: { nowMs: number }): Platform {
  const { clock } = nodePlatform;
  return {
    ...nodePlatform,
    clock: {
      nowMs: () => time.nowMs,
      monotonicMs: () => clock.monotonicMs(),
      nextTurn: (callback) => clock.nextTurn(callback),
      schedule: (ms, callback, keepAlive) => clock.schedule(ms, callback, keepAlive),
    },
  };
}

/** Stores `steps`, each at its own time, and closes. */
export async function writeOurs(wish: OurWish, steps: readonly Step[], storedAt: readonly number[]): Promise<AppendReceipt[]> {
  const time = { nowMs: storedAt[0] ?? 0 };
  const store = await openStore(wish.directory, {
    ...capacities,
    recordChecksum: wish.recordChecksum,
    storeHost: wish.storeHost,
    systemMessages: true,
    flush: 'async',
    freeBytesMin: 0,
    platform: platformAt(time),
  });
  const receipts: AppendReceipt[] = [];
  for (const [i, step] of steps.entries()) {
    time.nowMs = storedAt[i] ?? time.nowMs;
    if (step.isBatch) receipts.push(...(await store.appendBatch(step.messages)));
    else for (const message of step.messages) receipts.push(await store.append(message));
  }
  await store.close();
  return receipts;
}

/** The properties as they stand in our records, without the checksum: what a stock producer is made to send. */
export function propertyTexts(wish: OurWish, receipts: readonly AppendReceipt[]): readonly Buffer[] {
  const view = new RecordView();
  return receipts.map(({ physicalOffset }) => {
    const at = physicalOffset % capacities.segmentBytes;
    const bytes = readFileSync(join(wish.directory, 'commitlog', segmentName(physicalOffset - at)));
    if (view.read(bytes, at, bytes.length) !== 'record') throw new Error(`no record of ours at ${physicalOffset}: ${view.what}`);
    return bytes.subarray(view.propertiesStart, view.propertiesEnd - (wish.recordChecksum ? checksumPropertyBytes : 0));
  });
}

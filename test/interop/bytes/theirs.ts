import { setTimeout } from 'node:timers/promises';
import type { NewMessage } from '../../../src/index.js';
import { capacities } from './capacities.js';
import type { Step } from './messages.js';
import type { OurWish } from './ours.js';
import type { StockProcess } from './stock-process.js';

/** The same sizes, in the names of the stock store; and nothing of it may be deleted because this machine's disk is full. */
export const stockSettings: Readonly<Record<string, string | number | boolean>> = {
  mappedFileSizeCommitLog: capacities.segmentBytes,
  mappedFileSizeConsumeQueue: capacities.queueEntriesPerFile * 20,
  maxHashSlotNum: capacities.indexSlotCount,
  maxIndexNum: capacities.indexEntryCount,
  diskMaxUsedSpaceRatio: 95,
  cleanFileForciblyEnable: false,
};

interface PutAnswer {
  readonly status: string;
  readonly physicalOffset: number;
  readonly bytes: number;
  readonly storedAt: number;
}

/** Has the stock store take `steps`, with properties as they stand in our records, and close itself; the times at which it stored them. */
export async function writeTheirs(stock: StockProcess, wish: OurWish, steps: readonly Step[], texts: readonly Buffer[]): Promise<number[]> {
  const settings = { ...stockSettings, ...(wish.recordChecksum ? { enabledAppendPropCRC: true } : {}) };
  const opened = await stock.call<{ readonly loaded: boolean }>({ do: 'open', directory: wish.directory, settings });
  if (!opened.loaded) throw new Error(`${wish.directory}: the stock store does not load it`);
  const storedAt: number[] = [];
  let next = 0;
  for (const { messages, isBatch, pauseMs } of steps) {
    if (pauseMs > 0) await setTimeout(pauseMs);
    const requests = messages.map((message, i) => requestOf(message, texts[next + i] ?? Buffer.alloc(0), wish));
    next += messages.length;
    const answer = await stock.call<PutAnswer>({ do: 'put', batch: isBatch, messages: requests });
    if (answer.status !== 'PUT_OK') throw new Error(`message ${next - 1}: the stock store says ${answer.status}`);
    storedAt.push(answer.storedAt);
  }
  await stock.close();
  return storedAt;
}

export function requestOf(message: NewMessage, properties: Buffer, wish: Pick<OurWish, 'storeHost'>): Record<string, unknown> {
  const { system } = message;
  return {
    topic: message.topic,
    queueId: message.queueId ?? 0,
    body: Buffer.from(message.body).toString('base64'),
    flag: message.flag ?? 0,
    sysFlag: system?.sysFlag ?? 0,
    bornAt: Number(message.bornAt),
    bornHost: system?.bornHost ?? wish.storeHost,
    storeHost: wish.storeHost,
    reconsumeTimes: system?.reconsumeTimes ?? 0,
    preparedTransactionOffset: system?.preparedTransactionOffset ?? 0,
    properties: properties.toString('base64'),
  };
}

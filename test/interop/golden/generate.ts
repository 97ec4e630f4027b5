import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type NewMessage, openStore } from '../../../src/index.js';
import { type Described, type GoldenManifest, readFiles, writeGolden } from '../../golden/golden-store.js';
import { capacities } from '../bytes/capacities.js';
import { stepsFor } from '../bytes/messages.js';
import { propertyTexts, writeOurs } from '../bytes/ours.js';
import { compileStock, StockProcess } from '../bytes/stock-process.js';
import { requestOf, stockSettings } from '../bytes/theirs.js';
import type { Recipe } from './recipes.js';

const javaFolders: readonly string[] = [join(import.meta.dirname, 'java'), join(import.meta.dirname, '..', 'bytes', 'java')];
const stepCount = 110;
/** The wheel of the timer is 38 MB of zeros; the rest is locks and what belongs to no message. */
const leftOutNames: ReadonlySet<string> = new Set(['timerwheel', 'lock']);

/** Makes one golden store and writes it to `data/golden`. Resolves with the number of messages in it. */
export async function generate(recipe: Recipe): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'stratalog-golden-'));
  const stock = await compileStock(recipe.dialect, javaFolders);
  const mainClass = recipe.way === 'store' ? 'StockStore' : 'StockBroker';
  const child = new StockProcess(stock.classPath, mainClass, join(folder, 'home'));
  try {
    const directory = join(folder, 'store');
    const settings = { ...stockSettings, mappedFileSizeTimerLog: 52 * 100, ...recipe.settings };
    const described =
      recipe.way === 'store' ? await fillStore(recipe, child, directory, settings) : await fillBroker(recipe, child, directory, settings);
    if (recipe.end === 'closed') await child.close();
    else await child.kill();
    const { kept, leftOut } = divide(readFiles(directory));
    const { name, what, end, refusedAs } = recipe;
    const filledBy = recipe.way === 'copies' ? 'stratalog' : 'broker';
    const manifest: GoldenManifest = {
      name,
      what,
      rocketmqVersion: stock.version,
      settings,
      end,
      filledBy,
      refusedAs,
      leftOut,
      ...described,
    };
    writeGolden(manifest, kept);
    return described.messages.length;
  } finally {
    await child.kill();
    stock.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

function divide(files: ReadonlyMap<string, Buffer>): { readonly kept: Map<string, Buffer>; readonly leftOut: Record<string, number> } {
  const kept = new Map<string, Buffer>();
  const leftOut: Record<string, number> = {};
  for (const [path, content] of files) {
    if (leftOutNames.has(path)) leftOut[path] = content.length;
    else kept.set(path, content);
  }
  return { kept, leftOut };
}

type Settings = Readonly<Record<string, string | number | boolean>>;

async function fillStore(recipe: Recipe, child: StockProcess, directory: string, settings: Settings): Promise<Described> {
  const { dialect, storeHost: address } = recipe;
  const isRefused = recipe.refusedAs !== undefined;
  const steps = stepsFor({ dialect, seed: recipe.name.length, stepCount: isRefused ? 10 : stepCount, hasTags: true });
  const wish = { directory: `${directory}-first`, recordChecksum: false, storeHost: { address, port: 10_911 } };
  const texts = propertyTexts(wish, await writeOurs(wish, steps, [Date.UTC(2024, 0, 1)]));
  const batchQueueTopic = recipe.refusedAs === 'batch queues' ? 'Orders' : undefined;
  await child.call({ do: 'open', directory, settings, batchQueueTopic });
  let next = 0;
  for (const { messages, isBatch } of steps) {
    const requests = messages.map((message, i) => requestOf(message, texts[next + i] ?? Buffer.alloc(0), wish));
    next += messages.length;
    const { status } = await child.call<{ readonly status: string }>({ do: 'put', batch: isBatch, messages: requests });
    if (status !== 'PUT_OK') throw new Error(`message ${next - 1}: ${status}`);
  }
  if (isRefused) return { minOffset: 0, maxOffset: 0, messages: [], queues: [], keys: [] };
  const isTrimmed = async (): Promise<boolean> => (await child.call<{ readonly minOffset: number }>({ do: 'bounds' })).minOffset > 0;
  while (recipe.isTrimmed && !(await isTrimmed())) await setTimeout(2_000);
  // Queues and index follow the log, with the next rounds of the clean-up.
  if (recipe.isTrimmed) await setTimeout(20_000);
  return await child.call<Described>({ do: 'describe' });
}

async function fillBroker(recipe: Recipe, child: StockProcess, directory: string, settings: Settings): Promise<Described> {
  if (recipe.way === 'copies') await fillOurs(directory);
  const brokerSettings =
    recipe.way === 'copies' ? { transactionCheckInterval: 10_000, transactionTimeOut: 500 } : { transactionCheckInterval: 600_000 };
  const port = await freePort();
  await child.call({ do: 'start', directory, home: `${directory}-home`, settings, brokerSettings, port, nameServerPort: port + 2 });
  if (recipe.way === 'copies') await child.call({ do: 'copies' });
  else await child.call({ do: 'fill', hasTimer: recipe.dialect === 'v5' });
  return await child.call<Described>({ do: 'describe' });
}

/** What a broker copies: messages that will fail, one that falls due at once, one half of a transaction. */
async function fillOurs(directory: string): Promise<void> {
  const store = await openStore(directory, { ...capacities, systemMessages: true, freeBytesMin: 0, recordChecksum: true });
  const orders = Array.from(
    { length: 24 },
    (_, i): NewMessage => ({
      topic: 'Orders',
      queueId: i % 3,
      body: `order ${i} of ours`,
      tag: i === 4 || i === 11 ? 'retry' : 'fine',
      keys: [`ours-${i}`, `customer-${i % 5}`],
      properties: { UNIQ_KEY: `7F000001${String(i).padStart(24, '0')}`, region: 'Zürich' },
    }),
  );
  for (const order of orders) await store.append(order);
  const real = { REAL_TOPIC: 'Later', REAL_QID: '1' };
  await store.append({
    topic: 'SCHEDULE_TOPIC_XXXX',
    queueId: 0,
    body: 'due at once',
    keys: ['late'],
    properties: { ...real, DELAY: '1' },
  });
  const half = { REAL_TOPIC: 'Paid', REAL_QID: '2', TRAN_MSG: 'true', PGROUP: 'nobody', UNIQ_KEY: `7F000002${'0'.repeat(24)}` };
  await store.append({ topic: 'RMQ_SYS_TRANS_HALF_TOPIC', queueId: 0, body: 'half', keys: ['half'], properties: half });
  await store.appendBatch([
    { topic: 'Later', queueId: 0, body: 'first of a batch', keys: ['batch'] },
    { topic: 'Later', queueId: 0, body: 'second of a batch', keys: ['batch'] },
  ]);
  await store.close();
}

/** A port with the next four free as well, as far as one can tell. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 30_000);
    const isFree = await Promise.all([-2, 0, 1, 2].map(async (add) => await canListen(port + add)));
    if (isFree.every(Boolean)) return port;
  }
}

async function canListen(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

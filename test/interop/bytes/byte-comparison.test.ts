import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AppendReceipt, NewMessage } from '../../../src/index.js';
import { javaHash } from '../../../src/base/java-hash.js';
import { indexHashOf } from '../../../src/format/index-layout.js';
import { besideJava } from '../beside-java.js';
import type { Dialect } from '../maven/class-path.js';
import {
  differences,
  firstDifference,
  type IndexContent,
  indexedKeys,
  type IndexedKey,
  indexFiles,
  indexOf,
  withOwnSeconds,
} from './compare.js';
import { rolledBack, type Step, stepsFor } from './messages.js';
import { type OurWish, propertyTexts, writeOurs } from './ours.js';
import { type CompiledStock, compileStock, StockProcess } from './stock-process.js';
import { writeTheirs } from './theirs.js';

/**
 * The same messages, with the same hosts and at the same times, through stratalog and through the stock store of Apache RocketMQ: every
 * byte of log, queues and index must be the same. Nothing is normalised but for what is named below and in COMPATIBILITY.md.
 */
interface Case {
  readonly dialect: Dialect;
  readonly recordChecksum: boolean;
  readonly address: string;
  readonly hasTags: boolean;
  readonly seed: number;
  readonly smoke: boolean;
}

const cases: readonly Case[] = [
  { dialect: 'v5', recordChecksum: true, address: '192.168.1.10', hasTags: false, seed: 1, smoke: true },
  { dialect: 'v5', recordChecksum: false, address: '2001:db8::1', hasTags: true, seed: 2, smoke: false },
  { dialect: 'v4', recordChecksum: false, address: '192.168.1.10', hasTags: true, seed: 3, smoke: true },
  { dialect: 'v4', recordChecksum: false, address: '2001:db8::1', hasTags: false, seed: 4, smoke: false },
];
const noBytes: Buffer = Buffer.alloc(0);
const stepCount = 400;
const timeoutMs = 600_000;
const besides = await Promise.all(cases.map((each) => besideJava({ smoke: each.smoke, dialects: [each.dialect] })));
const suites = cases.map((each, i) => ({ ...each, leftOut: besides[i]?.leftOut ?? true, title: titleOf(each) + (besides[i]?.note ?? '') }));

function titleOf({ dialect, recordChecksum, address, hasTags }: Case): string {
  const how = `record checksum ${recordChecksum ? 'on' : 'off'}, store host ${address}, ${hasTags ? 'with' : 'without'} tags`;
  return `bytes beside RocketMQ ${dialect === 'v5' ? '5.x' : '4.9.x'}: ${how}`;
}

for (const suite of suites) {
  describe.skipIf(suite.leftOut)(suite.title, () => {
    compareBytes(suite);
  });
}

function compareBytes(each: Case): void {
  let stock: CompiledStock | undefined;
  let folder = '';
  let steps: readonly Step[] = [];
  let receipts: readonly AppendReceipt[] = [];
  const wish = (name: string): OurWish => ({
    directory: join(folder, name),
    recordChecksum: each.recordChecksum,
    storeHost: { address: each.address, port: 10_911 },
  });
  const ours = (part: string): string => join(folder, 'ours', part);
  const theirs = (part: string): string => join(folder, 'theirs', part);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'stratalog-bytes-'));
    stock = await compileStock(each.dialect, [join(import.meta.dirname, 'java')]);
    steps = stepsFor({ ...each, stepCount });
    const texts = propertyTexts(wish('first'), await writeOurs(wish('first'), steps, [Date.UTC(2024, 0, 1)]));
    const theirStore = new StockProcess(stock.classPath, 'StockStore', join(folder, 'home'));
    try {
      receipts = await writeOurs(wish('ours'), steps, await writeTheirs(theirStore, wish('theirs'), steps, texts));
    } finally {
      await theirStore.kill();
    }
  }, timeoutMs);
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    stock?.remove();
  });

  it('the commit log is the same, segment by segment', () => {
    expect(readdirSync(ours('commitlog')).length).toBeGreaterThan(10);
    expect(differences(ours('commitlog'), theirs('commitlog'))).toEqual([]);
  });

  it('the queue files are the same', () => {
    const names = readdirSync(ours('consumequeue'), { recursive: true });
    expect(names.filter((name) => String(name).endsWith('00000000000000000400')).length).toBeGreaterThan(3);
    expect(differences(ours('consumequeue'), theirs('consumequeue'))).toEqual([]);
  });

  it('the index files are the same, but for the first seconds of each and for tags in 5.x', () => {
    const messages = steps.flatMap((step) => step.messages);
    const mine = indexFiles(join(folder, 'ours'));
    expect(mine.length).toBeGreaterThan(4);
    const found = withOwnSeconds(indexFiles(join(folder, 'theirs')));
    const expected =
      each.hasTags && each.dialect === 'v5' ? withoutTags(found.files, messages, receipts) : found.files.map((file) => file.bytes);
    expect(mine).toHaveLength(expected.length);
    const parted = mine.map(({ bytes }, i) => (bytes.equals(expected[i] ?? noBytes) ? '' : firstDifference(bytes, expected[i] ?? noBytes)));
    expect(parted.filter((difference) => difference !== '')).toEqual([]);
    // Or the exception for the first seconds would never have been needed, and never been looked at.
    if (!each.hasTags) expect(found.changedCount).toBeGreaterThan(0);
  });

  it('control: one byte changed in a segment, and a segment missing, are found', () => {
    const copy = join(folder, 'copy');
    mkdirSync(copy);
    const names = readdirSync(ours('commitlog')).sort();
    for (const name of names.slice(0, -1)) copyFileSync(join(ours('commitlog'), name), join(copy, name));
    const first = join(copy, names[0] ?? '');
    const bytes = readFileSync(first);
    bytes[1_000] = (bytes[1_000] ?? 0) ^ 1;
    writeFileSync(first, bytes);
    const found = differences(copy, theirs('commitlog'));
    expect(found).toHaveLength(2);
    expect(found[0]).toContain('differs from byte 1000');
    expect(found[1]).toContain('only theirs has it');
  });
}

/** What their index holds besides: after the keys of each message one entry for its tag, as if it were a key that begins with `T#`. */
function withoutTags(
  files: readonly IndexContent[],
  messages: readonly NewMessage[],
  receipts: readonly AppendReceipt[],
): readonly Buffer[] {
  const tagHashes = new Map<number, number>();
  const storedAt = new Map(receipts.map((receipt) => [receipt.physicalOffset, receipt.storedAt]));
  messages.forEach((message, i) => {
    if (message.tag === undefined) return;
    tagHashes.set(receipts[i]?.physicalOffset ?? -1, indexHashOf(javaHash(`${message.topic}#T#${message.tag}`)));
  });
  const all = indexedKeys(files);
  const isTag = (key: IndexedKey, i: number): boolean =>
    all[i + 1]?.physicalOffset !== key.physicalOffset && tagHashes.get(key.physicalOffset) === key.hash;
  const keys = all.filter((key, i) => !isTag(key, i));
  const tagCount = messages.filter((message) => message.tag !== undefined && message.system?.sysFlag !== rolledBack).length;
  expect(tagCount).toBeGreaterThan(50);
  expect(all.length - keys.length).toBe(tagCount);
  return indexOf(keys, (physicalOffset) => storedAt.get(physicalOffset) ?? 0);
}

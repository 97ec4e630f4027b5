import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { FileSystem } from '../../src/index.js';
import { repositoryRoot } from '../repository/repository-files.js';

/**
 * Stores that real brokers have written, under `data/golden/<name>/`: `store.br` holds the directory, `manifest.json` what the broker
 * itself said of its messages when it was asked. Written by `npm run golden`, read by the tests beside this file.
 */
export interface GoldenMessage {
  readonly physicalOffset: number;
  readonly recordBytes: number;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly storedAt: number;
  readonly bornAt: number;
  readonly flag: number;
  readonly sysFlag: number;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  readonly messageId: string;
  readonly bodyBytes: number;
  /** The first 32 hex digits. */
  readonly bodySha256: string;
  /** All that are in the record, KEYS, TAGS and the record checksum included. */
  readonly properties: Readonly<Record<string, string>>;
}

export interface GoldenQueue {
  readonly topic: string;
  readonly queueId: number;
  readonly min: number;
  readonly max: number;
  /** The physical offset of each message, from `min` on. */
  readonly offsets: readonly number[];
  /** For each store time in the queue, the queue offset that the broker gives for it. */
  readonly byTime: readonly (readonly [storedAt: number, queueOffset: number])[];
}

/** What a broker says of its store. */
export interface Described {
  readonly minOffset: number;
  readonly maxOffset: number;
  readonly messages: readonly GoldenMessage[];
  readonly queues: readonly GoldenQueue[];
  /** For each key of a topic the physical offsets, ascending. */
  readonly keys: readonly (readonly [topic: string, key: string, offsets: readonly number[]])[];
}

export interface GoldenManifest extends Described {
  readonly name: string;
  /** What is special about it, for people. */
  readonly what: string;
  readonly rocketmqVersion: string;
  /** Of the stock store, under its own names. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly end: 'closed' | 'killed';
  /** `stratalog`: its records lie at the beginning, and those of the broker behind them. */
  readonly filledBy: 'broker' | 'stratalog';
  /** Of a store in a shape that must be refused, with no messages to compare: the words for it. */
  readonly refusedAs?: string | undefined;
  /** Files of the directory that are not in the archive, with their sizes: large, and nothing to this engine. */
  readonly leftOut: Readonly<Record<string, number>>;
}

const goldenRoot: string = join(repositoryRoot, 'data', 'golden');
const manifestName = 'manifest.json';
const archiveName = 'store.br';

export function goldenNames(): readonly string[] {
  return readdirSync(goldenRoot, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

export function readManifest(name: string): GoldenManifest {
  return JSON.parse(readFileSync(join(goldenRoot, name, manifestName), 'utf8')) as GoldenManifest;
}

/** One message, queue or key a line, so that a change of a store shows as what it is. */
export function writeGolden(manifest: GoldenManifest, files: ReadonlyMap<string, Buffer>): void {
  const { messages, queues, keys, ...head } = manifest;
  const lines = (values: readonly unknown[]): string => `[\n${values.map((value) => `    ${JSON.stringify(value)}`).join(',\n')}\n  ]`;
  const text = JSON.stringify(head, undefined, 2).slice(0, -2);
  const directory = join(goldenRoot, manifest.name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, manifestName),
    `${text},\n  "messages": ${lines(messages)},\n  "queues": ${lines(queues)},\n  "keys": ${lines(keys)}\n}\n`,
  );
  writeFileSync(join(directory, archiveName), pack(files));
}

/** Of a store directory: paths with `/`, and contents. */
export function readFiles(directory: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(path.slice(directory.length + 1), readFileSync(path));
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** i32 bytes of the list, the list as JSON ([path, bytes] each), the contents; all compressed with Brotli. */
function pack(files: ReadonlyMap<string, Buffer>): Buffer {
  const list = Buffer.from(JSON.stringify([...files].map(([path, content]) => [path, content.length])));
  const size = Buffer.alloc(4);
  size.writeInt32BE(list.length);
  return brotliCompressSync(Buffer.concat([size, list, ...files.values()]), { params: { [constants.BROTLI_PARAM_LGWIN]: 24 } });
}

export function goldenFiles(name: string): ReadonlyMap<string, Buffer> {
  const bytes = brotliDecompressSync(readFileSync(join(goldenRoot, name, archiveName)));
  const listBytes = bytes.readInt32BE(0);
  const list = JSON.parse(bytes.toString('utf8', 4, 4 + listBytes)) as readonly (readonly [string, number])[];
  const files = new Map<string, Buffer>();
  let at = 4 + listBytes;
  for (const [path, size] of list) {
    files.set(path, bytes.subarray(at, at + size));
    at += size;
  }
  return files;
}

/** Onto any disk, one in memory too. */
export async function unpackGolden(name: string, fs: FileSystem, directory: string): Promise<void> {
  for (const [path, content] of goldenFiles(name)) {
    const target = `${directory}/${path}`;
    await fs.makeDirectory(dirname(target));
    const file = fs.open(target, 'create');
    file.writeSync([content], 0);
    await file.close();
  }
}

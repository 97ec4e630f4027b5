import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import Table from 'cli-table3';
import type { StoreStats } from '../../src/index.js';
import { formatBytes, formatCount } from '../common/numbers.js';
import { printHeading, printLine, printRow } from './print.js';

interface Shown {
  readonly name: string;
  fileCount: number;
  bytes: number;
  allocatedBytes: number;
}

const meanings: readonly (readonly [start: string, meaning: string])[] = [
  ['commitlog', 'the log: all messages, in order'],
  ['consumequeue', 'queues: places of the messages in the log'],
  ['index', 'key index'],
  ['config', 'topics, as a broker reads them'],
  ['checkpoint', 'how far queues and index are safe'],
  ['lock', 'held while a process has the store open'],
  ['stratalog', 'what is known beyond the format'],
];

/** Step 5, after the store was closed. `stats` are those from just before. */
export function showFiles(directory: string, stats: StoreStats): void {
  printHeading(
    '5. The files',
    'A valid store directory of Apache RocketMQ 5.x. Files have their full length from the start; the disk holds what is used.',
  );
  printLine(`${directory}${sep}`);
  const table = new Table({
    head: ['file', 'files', 'length', 'on the disk', 'what it is'],
    colAligns: ['left', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, fileCount, bytes, allocatedBytes } of shownFiles(directory)) {
    table.push([name, formatCount(fileCount), formatBytes(bytes), formatBytes(allocatedBytes), meaningOf(name)]);
  }
  console.log(table.toString());
  printRow('first byte of the log', formatCount(stats.minOffset), 'minOffset');
  printRow('written up to', formatCount(stats.writtenOffset), 'writtenOffset');
  printRow('on the disk up to', formatCount(stats.flushedOffset), 'flushedOffset');
  printRow('in queues and index up to', formatCount(stats.dispatchedOffset), 'dispatchedOffset');
  printRow('topics, queues, segments', `${stats.topicCount}, ${stats.queueCount}, ${stats.segmentCount}`);
  const closed = !existsSync(join(directory, 'abort'));
  printRow('closed cleanly', closed ? 'yes' : 'NO', closed ? 'no file `abort` is left' : 'the file `abort` is still there');
}

function meaningOf(name: string): string {
  return meanings.find(([start]) => name === start || name.startsWith(`${start}/`))?.[1] ?? '';
}

/** Files of the log and the index one by one, those of a topic's queues and of other folders together. */
function shownFiles(directory: string): readonly Shown[] {
  const shown = new Map<string, Shown>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = shownName(relative(directory, path).split(sep));
    const { size, blocks } = statSync(path);
    const row = shown.get(name) ?? { name, fileCount: 0, bytes: 0, allocatedBytes: 0 };
    row.fileCount += 1;
    row.bytes += size;
    row.allocatedBytes += blocks * 512;
    shown.set(name, row);
  }
  return [...shown.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
}

function shownName(parts: readonly string[]): string {
  const [folder, ...rest] = parts;
  if (folder === undefined || rest.length === 0) return parts.join('/');
  if (folder === 'commitlog' || folder === 'index') return parts.join('/');
  return folder === 'consumequeue' ? `${folder}/${rest[0]}/` : `${folder}/`;
}

import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readSync, statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { nodePlatform } from '../../src/index.js';
import { formatBytes } from '../common/numbers.js';
import { earthquakesTopic } from './earthquakes.js';
import { liveTopic } from './live-events.js';

const headBytes = 65_536;

/** Why the run cannot use the directory, in words for a person. */
export class RefusedDirectory extends Error {
  override readonly name = 'RefusedDirectory';
}

/**
 * Makes room for a run: a store of an earlier run is deleted, anything else stays and is refused. Returns whether there was one.
 * A run must never delete somebody's data because of a mistyped `--directory`.
 */
export async function clearDirectory(directory: string): Promise<boolean> {
  if (!existsSync(directory) || readdirSync(directory).length === 0) return false;
  if (!looksLikeOurs(directory)) {
    throw new RefusedDirectory(
      `${directory} is there and is no store of an earlier run. Name another one with --directory, or delete it yourself.`,
    );
  }
  const lock = nodePlatform.fs.lockDirectory(directory);
  if (lock === undefined) throw new RefusedDirectory(`${directory} is in use by another process.`);
  lock.release();
  await rm(directory, { recursive: true });
  return true;
}

/** A store of ours with no topics but the run's, whose log begins with an earthquake or with nothing. */
function looksLikeOurs(directory: string): boolean {
  if (!existsSync(join(directory, 'stratalog'))) return false;
  const topics = namesIn(join(directory, 'consumequeue'));
  if (topics.some((topic) => topic !== earthquakesTopic && topic !== liveTopic)) return false;
  const firstSegment = namesIn(join(directory, 'commitlog')).sort()[0];
  if (firstSegment === undefined) return topics.length === 0;
  return headOf(join(directory, 'commitlog', firstSegment)).includes(earthquakesTopic);
}

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function headOf(path: string): Buffer {
  const head = Buffer.alloc(headBytes);
  const fd = openSync(path, 'r');
  try {
    return head.subarray(0, readSync(fd, head, 0, head.length, 0));
  } finally {
    closeSync(fd);
  }
}

/** Before anything is written: a disk that fills halfway tells a newcomer nothing. */
export function requireFreeBytes(directory: string, bytes: number): void {
  const parent = dirname(directory);
  mkdirSync(parent, { recursive: true });
  const { bavail, bsize } = statfsSync(parent);
  const freeBytes = bavail * bsize;
  if (freeBytes >= bytes) return;
  throw new RefusedDirectory(
    `This run needs about ${formatBytes(bytes)} in ${parent} and ${formatBytes(freeBytes)} are free. A small one: npm start -- --count 20000`,
  );
}

import { resolve } from 'node:path';
import { ioError, StoreError, systemErrorCode } from '../base/errors.js';
import {
  type ConsumerGroup,
  checkConsumerGroups,
  consumerGroupsOf,
  mergeConsumerOffsets,
  mergeSubscriptionGroups,
} from '../format/consumer-groups.js';
import { type JsonObject, objectIn, parseRocketmqJson, writeRocketmqJson } from '../format/rocketmq-json.js';
import { readLockHolder } from '../platform/lock-holder.js';
import { nodePlatform } from '../platform/node-platform.js';
import type { Platform } from '../platform/platform.js';
import { readSmallFile, replaceFile, StorePaths } from '../recovery/side-files.js';

const FILE_BYTES_MAX = 64 * 1024 * 1024;

export interface ConsumerGroupOptions {
  readonly platform?: Platform | undefined;
}

/**
 * Writes where each group of consumers goes on, as a broker reads it (`config/consumerOffset.json`, `config/subscriptionGroup.json`): for
 * a program that keeps the positions of its consumers itself and hands the directory over to Apache RocketMQ. What the files hold of other
 * groups, topics and queues stays.
 *
 * STORE_LOCKED while any process holds the store, this one included; STORE_NOT_FOUND where there is none; CORRUPT if a file there is not what a
 * broker writes; TypeError or RangeError for a group that a broker could not hold. Each of the two files is old or new, never half.
 */
export async function writeConsumerGroups(
  directory: string,
  groups: readonly ConsumerGroup[],
  options: ConsumerGroupOptions = {},
): Promise<void> {
  const platform = options.platform ?? nodePlatform;
  checkConsumerGroups(groups);
  const paths = new StorePaths(resolve(directory));
  const { fs } = platform;
  requireStore(platform, paths);
  const lock = fs.lockDirectory(paths.root);
  if (lock === undefined) throw locked(platform, paths.root);
  try {
    for (const path of [paths.config, paths.own, paths.making]) await fs.makeDirectory(path);
    const subscriptions = await readConfig(platform, subscriptionPath(paths));
    const offsets = await readConfig(platform, offsetPath(paths));
    mergeConsumerOffsets(offsets, groups);
    // A group without offsets begins anew; offsets without a group are used as soon as the group is known. So the group goes last.
    await replaceConfig(platform, paths, offsetPath(paths), offsets);
    if (mergeSubscriptionGroups(subscriptions, groups)) await replaceConfig(platform, paths, subscriptionPath(paths), subscriptions);
    await fs.syncDirectory(paths.root);
  } catch (error) {
    throw ioError(`writing the groups of ${directory}`, error);
  } finally {
    lock.release();
  }
}

/**
 * Every group that a broker or `writeConsumerGroups` has left a position of: by name, its positions by topic and queue. Takes no lock; beside a
 * running broker it reads what that one has saved last, every five seconds by default. STORE_NOT_FOUND, CORRUPT as there.
 */
export async function readConsumerGroups(directory: string, options: ConsumerGroupOptions = {}): Promise<readonly ConsumerGroup[]> {
  const platform = options.platform ?? nodePlatform;
  const paths = new StorePaths(resolve(directory));
  requireStore(platform, paths);
  try {
    return consumerGroupsOf(await readConfig(platform, offsetPath(paths)));
  } catch (error) {
    throw ioError(`reading the groups of ${directory}`, error);
  }
}

function offsetPath(paths: StorePaths): string {
  return `${paths.config}/consumerOffset.json`;
}

function subscriptionPath(paths: StorePaths): string {
  return `${paths.config}/subscriptionGroup.json`;
}

function requireStore(platform: Platform, paths: StorePaths): void {
  if (!platform.fs.exists(paths.commitLog)) throw new StoreError('STORE_NOT_FOUND', `${paths.root} holds no store`);
}

function locked(platform: Platform, directory: string): StoreError {
  const pid = readLockHolder(platform.fs, directory);
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return new StoreError('STORE_LOCKED', `${directory} is in use by ${holder}; close that one first`, { details: { pid } });
}

/** A missing or empty file: nothing yet. */
async function readConfig(platform: Platform, path: string): Promise<JsonObject> {
  const bytes = await readSmallFile(platform.fs, path, FILE_BYTES_MAX);
  if (bytes === undefined || bytes.length === 0) return new Map();
  let cause: unknown;
  try {
    const value = parseRocketmqJson(bytes);
    if (value instanceof Map) return value;
  } catch (error) {
    if (systemErrorCode(error) !== undefined) throw error;
    cause = error;
  }
  const what = 'not the JSON that a broker writes';
  throw new StoreError('CORRUPT', `${path}: ${what}`, { cause, details: { path, offset: 0, what } });
}

async function replaceConfig(platform: Platform, paths: StorePaths, path: string, root: JsonObject): Promise<void> {
  const version = objectIn(root, 'dataVersion');
  const counter = version.get('counter');
  version.set('counter', typeof counter === 'number' ? counter + 1 : 1);
  if (!version.has('stateVersion')) version.set('stateVersion', 0);
  version.set('timestamp', platform.clock.nowMs());
  await replaceFile(platform, paths, path, Buffer.from(writeRocketmqJson(root), 'utf8'));
}

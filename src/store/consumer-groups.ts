import { resolve } from 'node:path';
import { ioError, StoreError } from '../base/errors.js';
import {
  type ConsumerGroup,
  checkConsumerGroups,
  consumerGroupsOf,
  mergeConsumerOffsets,
  mergeSubscriptionGroups,
} from '../format/consumer-groups.js';
import { nodePlatform } from '../platform/node-platform.js';
import type { Platform } from '../platform/platform.js';
import { StorePaths } from '../recovery/side-files.js';
import { readBrokerConfig, replaceBrokerConfig } from './broker-config.js';
import { storeLocked } from './store-locked.js';

export interface ConsumerGroupOptions {
  readonly platform?: Platform | undefined;
}

/**
 * Writes where each group of consumers goes on, as a broker reads it (`config/consumerOffset.json`, `config/subscriptionGroup.json`): for
 * a program that keeps the positions of its consumers itself and hands the directory over to Apache RocketMQ. What the files hold of other
 * groups, topics and queues stays.
 *
 * STORE_LOCKED while any process holds the store, this one included; STORE_NOT_FOUND where there is none; CORRUPT if a file there is not what a
 * broker writes, or above 64 MiB; TypeError or RangeError for a group that a broker could not hold. Each of the two files is old or new, never half.
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
  if (lock === undefined) throw storeLocked(platform, paths.root, 'close that one first');
  try {
    for (const path of [paths.config, paths.own, paths.making]) await fs.makeDirectory(path);
    const subscriptions = await readBrokerConfig(platform, subscriptionPath(paths));
    const offsets = await readBrokerConfig(platform, offsetPath(paths));
    mergeConsumerOffsets(offsets, groups);
    // A group without offsets begins anew; offsets without a group are used as soon as the group is known. So the group goes last.
    await replaceBrokerConfig(platform, paths, offsetPath(paths), offsets);
    if (mergeSubscriptionGroups(subscriptions, groups)) await replaceBrokerConfig(platform, paths, subscriptionPath(paths), subscriptions);
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
    return consumerGroupsOf(await readBrokerConfig(platform, offsetPath(paths)));
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

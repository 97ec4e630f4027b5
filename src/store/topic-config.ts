import { StoreError } from '../base/errors.js';
import { type JsonObject, type JsonValue, objectIn } from '../format/rocketmq-json.js';
import type { Platform } from '../platform/platform.js';
import type { StorePaths } from '../recovery/side-files.js';
import { readBrokerConfig, replaceBrokerConfig } from './broker-config.js';

const READ_AND_WRITE = 6;

/**
 * `config/topics.json`, which a stock broker needs to serve what is stored: every topic, with queue counts above its highest queue id.
 * What a broker has written there, fields unknown to us included, is kept.
 */
export class TopicConfig {
  readonly #platform: Platform;
  readonly #paths: StorePaths;
  /** Queue counts as last written, by topic. */
  readonly #written = new Map<string, number>();

  constructor(platform: Platform, paths: StorePaths) {
    this.#platform = platform;
    this.#paths = paths;
  }

  /** Brings the file up to `queueCounts` (topic -> highest queue id + 1) where it is not. */
  async update(queueCounts: ReadonlyMap<string, number>): Promise<void> {
    const isNews = [...queueCounts].some(([topic, count]) => (this.#written.get(topic) ?? 0) < count);
    if (!isNews) return;
    const path = `${this.#paths.config}/topics.json`;
    const root = await this.#read(path);
    const table = objectIn(root, 'topicConfigTable');
    let changed = false;
    for (const [topic, count] of queueCounts) changed = raise(table, topic, count) || changed;
    if (changed) await replaceBrokerConfig(this.#platform, this.#paths, path, root);
    for (const [topic, count] of queueCounts) this.#written.set(topic, count);
  }

  /** An unreadable file is put aside, never deleted. */
  async #read(path: string): Promise<JsonObject> {
    try {
      return await readBrokerConfig(this.#platform, path);
    } catch (error) {
      if (!StoreError.is(error, 'CORRUPT')) throw error;
    }
    const { fs } = this.#platform;
    await fs.makeDirectory(this.#paths.aside);
    await fs.rename(path, `${this.#paths.aside}/topics.json-${this.#platform.clock.nowMs()}`);
    await fs.syncDirectory(this.#paths.aside);
    return new Map();
  }
}

function raise(table: JsonObject, topic: string, count: number): boolean {
  const known = table.get(topic);
  const config: JsonObject =
    known instanceof Map
      ? known
      : new Map<string, JsonValue>([
          ['attributes', new Map<string, JsonValue>()],
          ['order', false],
          ['perm', READ_AND_WRITE],
          ['topicFilterType', 'SINGLE_TAG'],
          ['topicName', topic],
          ['topicSysFlag', 0],
        ]);
  table.set(topic, config);
  let changed = !(known instanceof Map);
  for (const field of ['readQueueNums', 'writeQueueNums']) {
    const value = config.get(field);
    if (typeof value === 'number' && value >= count) continue;
    config.set(field, count);
    changed = true;
  }
  return changed;
}

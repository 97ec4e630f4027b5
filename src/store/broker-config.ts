import { StoreError, systemErrorCode } from '../base/errors.js';
import { type JsonObject, objectIn, parseRocketmqJson, writeRocketmqJson } from '../format/rocketmq-json.js';
import type { Platform } from '../platform/platform.js';
import { readWholeFile, replaceFile, type StorePaths } from '../recovery/side-files.js';

const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** A file of `config/` as a broker writes it; a missing or empty one: nothing yet. CORRUPT where it is anything else, or too large. */
export async function readBrokerConfig(platform: Platform, path: string): Promise<JsonObject> {
  const bytes = await readWholeFile(platform.fs, path, FILE_BYTES_MAX);
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

/** Puts `root` in its place, with the next version number. */
export async function replaceBrokerConfig(platform: Platform, paths: StorePaths, path: string, root: JsonObject): Promise<void> {
  const version = objectIn(root, 'dataVersion');
  const counter = version.get('counter');
  version.set('counter', typeof counter === 'number' ? counter + 1 : 1);
  if (!version.has('stateVersion')) version.set('stateVersion', 0);
  version.set('timestamp', platform.clock.nowMs());
  await replaceFile(platform, paths, path, Buffer.from(writeRocketmqJson(root), 'utf8'));
}

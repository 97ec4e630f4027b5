import type { Platform } from '../platform/platform.js';
import { readSmallFile, replaceFile, type StorePaths } from './side-files.js';
import { decodeState, encodeState, isVoid, noSafeOffset, type QueueState, type State } from './state.js';

/**
 * Where no safe point can be taken, and the log is to lose what lies above the last one: the state vouches for nothing any more then, and
 * only says which numbers have been given out: `numbers`, and of other queues what it has said before. False: there is no state.
 */
export async function keepNumbersInState(platform: Platform, paths: StorePaths, numbers: readonly QueueState[]): Promise<boolean> {
  const state = decodeState(await readSmallFile(platform.fs, paths.state));
  if (state === undefined) return false;
  const queues = new Map(state.queues.map((queue) => [`${queue.topic}/${queue.queueId}`, queue]));
  for (const queue of numbers) queues.set(`${queue.topic}/${queue.queueId}`, queue);
  await writeVoid(platform, paths, { ...state, queues: [...queues.values()] });
  return true;
}

/**
 * Before the log is changed below the safe point that `state` names: a repair may lay one record over that place, and numbers that were
 * above it below. After a crash nobody shall begin to read there, until another safe point has been taken. What the state says of
 * numbers that had been given out, and of who was here last, stays.
 */
export async function voidState(platform: Platform, paths: StorePaths): Promise<void> {
  const state = decodeState(await readSmallFile(platform.fs, paths.state));
  if (state === undefined || isVoid(state)) return;
  await writeVoid(platform, paths, state);
}

async function writeVoid(platform: Platform, paths: StorePaths, state: State): Promise<void> {
  await replaceFile(platform, paths, paths.state, encodeState({ ...state, clean: false, safeOffset: noSafeOffset }));
}

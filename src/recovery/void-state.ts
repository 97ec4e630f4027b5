import type { Platform } from '../platform/platform.js';
import { readSmallFile, replaceFile, type StorePaths } from './side-files.js';
import { decodeState, encodeState, isVoid, noSafeOffset } from './state.js';

/**
 * Before the log is changed below the safe point that `state` names: a repair may lay one record over that place, and numbers that were
 * above it below. After a crash nobody shall begin to read there, until another safe point has been taken. What the state says of
 * numbers that had been given out, and of who was here last, stays.
 */
export async function voidState(platform: Platform, paths: StorePaths): Promise<void> {
  const state = decodeState(await readSmallFile(platform.fs, paths.state));
  if (state === undefined || isVoid(state)) return;
  await replaceFile(platform, paths, paths.state, encodeState({ ...state, clean: false, safeOffset: noSafeOffset }));
}

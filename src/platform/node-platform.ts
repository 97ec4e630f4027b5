import { randomBytes } from 'node:crypto';
import { nodeClock } from './node-clock.js';
import { nodeFileSystem } from './node-file-system.js';
import type { Platform } from './platform.js';

/** What the store runs on if nothing else is given: this machine's files, time and randomness. */
export const nodePlatform: Platform = {
  fs: nodeFileSystem,
  clock: nodeClock,
  randomBytes(count: number): Buffer {
    return randomBytes(count);
  },
};

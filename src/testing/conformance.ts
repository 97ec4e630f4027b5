/**
 * What every `FileSystem` behind the seam must do, in checks that need no test framework: a check that fails throws.
 * The store relies on each of them; a platform of one's own is measured with it, as Node's and the one in memory are.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { FileSystem, Platform } from '../platform/platform.js';
import { fileChecks } from './conformance-files.js';
import { nameChecks } from './conformance-names.js';

export interface ConformanceCheck {
  readonly name: string;
  run(): Promise<void>;
}

/** A check is given an empty directory of its own. */
export type CheckTable = Readonly<Record<string, (fs: FileSystem, directory: string) => Promise<void>>>;

/** `directory`, an absolute path, is made if it is not there; what the checks leave in it is the caller's to remove. */
export function fileSystemConformance(makePlatform: () => Platform, directory: string): readonly ConformanceCheck[] {
  return Object.entries({ ...fileChecks, ...nameChecks }).map(([name, check], index) => ({
    name,
    async run() {
      const { fs } = makePlatform();
      const own = join(directory, `check-${index}`);
      await fs.makeDirectory(own);
      assert.deepEqual(fs.list(own), [], 'the directory of a check must be empty');
      await check(fs, own);
    },
  }));
}

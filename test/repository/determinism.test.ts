import { describe, expect, it } from 'vitest';
import { machineUses } from './determinism.js';
import { readKept, sourceFiles } from './repository-files.js';

describe('determinism', () => {
  it('only the platform and the testing entry ask the machine for files, time, turns and random bytes', () => {
    const files = sourceFiles();
    expect(files.length).toBeGreaterThan(0);
    expect(files.flatMap((path) => machineUses(path, readKept(path)))).toEqual([]);
  });

  it.each([
    `import { openSync } from 'node:fs';`,
    `import { readFile } from 'fs/promises';`,
    `import fse from 'fs-extra';`,
    `export const load = () => import('fs-native-extensions');`,
    `import { setTimeout as sleep } from 'node:timers/promises';`,
    `import { createServer } from 'node:net';`,
    `import { randomBytes } from 'node:crypto';`,
    `import { performance as watch } from 'node:perf_hooks';`,
    `export const now = () => Date.now();`,
    `export const now = () => Date['now']();`,
    `export const now = () => new Date();`,
    `export const now = () => performance.now();`,
    `export const dice = () => Math.random();`,
    `export const later = (call: () => void) => setTimeout(call, 1);`,
    `export const later = (call: () => void) => setImmediate(call);`,
    `export const later = (call: () => void) => globalThis.setInterval(call, 1);`,
    `export const id = () => crypto.randomUUID();`,
    `export const soon = () => AbortSignal.timeout(1);`,
  ])('control: %s is found', (source) => {
    expect(machineUses('src/store/made-up.ts', source)).not.toEqual([]);
    expect(machineUses('src/platform/made-up.ts', source)).toEqual([]);
  });

  it.each([
    `import type { Stats } from 'node:fs';\nexport type S = Stats;`,
    `import { crc32 } from 'node:zlib';\nexport const sum = crc32;`,
    `import { isIPv4 } from 'node:net';\nexport const is = isIPv4;`,
    `import { createHash } from 'node:crypto';\nexport const hash = createHash;`,
    `export const at = (ms: number) => new Date(ms);`,
    `// Date.now()\nexport const text = 'setTimeout';`,
  ])('control: %s is left alone', (source) => {
    expect(machineUses('src/store/made-up.ts', source)).toEqual([]);
  });
});

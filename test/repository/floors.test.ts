import { describe, expect, it } from 'vitest';
import { floorOf, floors, floorViolations } from './floors.js';
import { readKept, sourceFiles } from './repository-files.js';

describe('floors', () => {
  it('every import of src goes down the floors', () => {
    const files = sourceFiles();
    expect(files.length).toBeGreaterThan(0);
    expect(files.flatMap((path) => floorViolations(path, readKept(path)))).toEqual([]);
  });

  it('every folder of src has its place in the table', () => {
    const unknown = sourceFiles().filter((path) => floors[floorOf(path)] === undefined);
    expect(unknown).toEqual([]);
  });

  it.each([
    ['up', 'src/segment/made-up.ts', `import { CommitLog } from '../commit-log/commit-log.js';`],
    ['up, for a type only', 'src/base/made-up.ts', `import type { Store } from '../store/contract.js';`],
    ['up, inside a type', 'src/base/made-up.ts', `export type S = import('../store/contract.js').Store;`],
    ['up, when it runs', 'src/base/made-up.ts', `export const later = () => import('../store/append.js');`],
    ['up, by exporting again', 'src/format/made-up.ts', `export * from '../segment/segment.js';`],
    ['sideways', 'src/key-index/made-up.ts', `import { ConsumeQueue } from '../consume-queue/consume-queue.js';`],
    ['from what decides to a derived structure', 'src/recovery/made-up.ts', `import { KeyIndex } from '../key-index/key-index.js';`],
    ['from a segment to a record', 'src/segment/made-up.ts', `import { decodeRecord } from '../format/message-record.js';`],
    ['to the public entry from inside', 'src/store/made-up.ts', `import { openStore } from '../index.js';`],
    ['out of src', 'src/store/made-up.ts', `import { helper } from '../../test/helper.js';`],
    ['from a folder nobody knows', 'src/made-up/made-up.ts', `export const one = 1;`],
  ])('control: an import that goes %s is found', (_, path, source) => {
    expect(floorViolations(path, source)).toHaveLength(1);
  });

  it.each([
    ['src/commit-log/made-up.ts', `import { Segment } from '../segment/segment.js';\nimport { next } from './next.js';`],
    ['src/testing/made-up.ts', `import { openStore } from '../index.js';`],
    ['src/index.ts', `export { openStore } from './open-store.js';`],
    ['src/base/made-up.ts', `// import { x } from '../store/append.js'\nexport const text = "import '../store/append.js'";`],
  ])('control: what is allowed is left alone in %s', (path, source) => {
    expect(floorViolations(path, source)).toEqual([]);
  });
});

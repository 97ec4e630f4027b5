import type { Control } from '../control.js';

/** Of the named tests those that open with few descriptors. */
const fewDescriptorTests: readonly string[] = [
  'test/consume-queue',
  'test/commit-log/large-record.test.ts',
  'test/contract/lifecycle.test.ts',
  'test/store/offset-at.test.ts',
  'test/store/verify.test.ts',
];

/** Controls that show only where several things meet: many files and few descriptors, damage beside damage. */
export const interplayControls: readonly Control[] = [
  {
    name: 'file-just-opened-evicted',
    breaks: 'Where all other open files are in use, the one that has just been opened gives up its place before its caller has used it.',
    promise: 'An asynchronous call never meets a descriptor that was closed under it.',
    file: 'src/segment/open-files.ts',
    find: '      if (entry.pinCount > 0 || entry === kept) continue;',
    replace: '      if (entry.pinCount > 0) continue;',
    caughtBy: { simulation: 300 },
    tests: fewDescriptorTests,
  },
  {
    name: 'file-in-use-evicted',
    breaks: 'A file gives up its place among the open ones, and is closed, although it is in use.',
    promise: 'An asynchronous call never meets a descriptor that was closed under it.',
    file: 'src/segment/open-files.ts',
    find: '      if (entry.pinCount > 0 || entry === kept) continue;',
    replace: '      if (entry === kept) continue;\n      entry.pinCount = 0;',
    caughtBy: { simulation: 300 },
    tests: fewDescriptorTests,
  },
  {
    name: 'later-damage-not-told-apart',
    breaks: 'Numbers of a queue that may have been lost in damage further on are taken for lost in the damage that is being repaired.',
    promise: 'Queues are dense: no number is left out, and none is given twice.',
    file: 'src/recovery/queue-numbers.ts',
    find: '    isBehindDamage = true;\n',
    replace: '',
    caughtBy: { damage: 3_000 },
    tests: ['test/recovery/several-damages.test.ts', 'test/recovery/skip.test.ts'],
  },
  {
    name: 'claimed-end-of-a-record-believed',
    breaks: 'The end that a damaged record claims is believed where a good record begins there, whatever stands in front of that.',
    promise: 'Damage costs what was damaged, and nothing that stands behind it.',
    file: 'src/recovery/damaged-record.ts',
    find: '(await endsHere(log, start, claimed)) && (await beginsHere(log, claimed))',
    replace: '(await beginsHere(log, claimed))',
    caughtBy: { damage: 3_000 },
    tests: ['test/recovery/several-damages.test.ts', 'test/recovery/skip.test.ts'],
  },
  {
    name: 'short-segment-left-short',
    breaks: 'A repaired segment that was cut is not made as long again as the others are.',
    promise: 'What has been repaired is a store like any other.',
    file: 'src/recovery/skip-damage.ts',
    find: '    if (file.sizeBytes() < segments.segmentBytes) await file.truncate(segments.segmentBytes);\n',
    replace: '',
    caughtBy: { damage: 3_000 },
    tests: ['test/recovery/several-damages.test.ts', 'test/recovery/skip.test.ts'],
  },
  {
    name: 'index-not-made-anew-by-repair',
    breaks: '`repair` leaves a key index as it is although `verify` finds fault with it.',
    promise: 'After `repair`, `verify` finds nothing.',
    file: 'src/store/repair.ts',
    find: 'if (places.size > 0 || faultCount > faults.length) await engine.rebuildIndex();',
    replace: 'if (faultCount > faults.length) await engine.rebuildIndex();',
    caughtBy: { damage: 3_000 },
    tests: ['test/store/repair.test.ts', 'test/key-index/index-check.test.ts', 'test/store/index-rebuild.test.ts'],
  },
];

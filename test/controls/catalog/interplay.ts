import type { Control } from '../control.js';

/** Of the named tests those that open with few descriptors. */
const fewDescriptorTests: readonly string[] = [
  'test/consume-queue',
  'test/commit-log/large-record.test.ts',
  'test/contract/lifecycle.test.ts',
  'test/store/offset-at.test.ts',
  'test/store/verify.test.ts',
];

/** Controls that show only where several things meet: many files and few descriptors, a failure and what is going on beside it. */
export const interplayControls: readonly Control[] = [
  {
    name: 'file-in-use-evicted',
    breaks: 'A file gives up its place among the open ones, and is closed, although it is in use.',
    promise: 'An asynchronous call never meets a descriptor that was closed under it.',
    file: 'src/segment/open-files.ts',
    find: '      if (entry.pinCount > 0 || entry === kept) continue;',
    replace: '      if (entry === kept) continue;\n      entry.pinCount = 0;',
    caughtBy: { simulation: 60 },
    tests: fewDescriptorTests,
  },
  {
    name: 'lock-given-up-while-at-work',
    breaks: 'A store that has failed gives up its lock without waiting for what is at work on its files in the background.',
    promise: 'One process has a directory at a time.',
    file: 'src/store/close.ts',
    find: `  engine.abandon();
  await engine.settled();`,
    replace: '  engine.abandon();',
    caughtBy: { simulation: 600, tests: 1 },
    tests: ['test/store/close.test.ts'],
  },
  {
    name: 'target-ahead-of-the-log',
    breaks: 'A structure of the user’s own is made durable before the messages that it was given are.',
    promise: 'After a power cut no structure of the user’s own knows a message that the log does not have.',
    file: 'src/dispatch/safe-point.ts',
    find: '    if (customs.length > 0) await log.flush();\n',
    replace: '',
    caughtBy: { simulation: 600, tests: 1 },
    tests: ['test/dispatch/safe-point.test.ts'],
  },
  {
    name: 'end-of-a-time-span-included',
    breaks: 'A query by key gives also what was stored in the very millisecond at which the span ends.',
    promise: 'Of a span of time the beginning belongs to it and the end does not.',
    file: 'src/store/find-by-key.ts',
    find: '    storedAt < query.until &&',
    replace: '    storedAt <= query.until &&',
    caughtBy: { simulation: 100, tests: 1 },
    tests: ['test/store/find-by-key.test.ts', 'test/contract'],
  },
];

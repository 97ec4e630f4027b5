import type { Control } from '../control.js';

/** Controls of the way of an append: writing, group commit, receipts, undoing. */
export const writePathControls: readonly Control[] = [
  {
    name: 'acknowledged-before-the-write',
    breaks: 'An append with `flush: async` is acknowledged when it is encoded, before the operating system has it.',
    promise: 'A position moves only after the call that justifies it has returned.',
    file: 'src/commit-log/commit-log.ts',
    find: `      this.#writtenWaiters.add(waiter);
      this.#writtenWaiters.settleUpTo(this.#acknowledged);`,
    replace: `      this.#writtenWaiters.add(waiter);
      this.#writtenWaiters.settleUpTo(this.assigned);`,
    caughtBy: { simulation: 60 },
  },
  {
    name: 'acknowledged-before-the-sync',
    breaks: 'An append with `flush: sync` is acknowledged when it is written.',
    promise: 'What was acknowledged with `sync` is there after a power cut.',
    file: 'src/commit-log/commit-log.ts',
    find: `    this.#writtenWaiters.settleUpTo(this.#acknowledged);
    this.#hurry();`,
    replace: `    this.#writtenWaiters.settleUpTo(this.#acknowledged);
    this.#flushedWaiters.settleUpTo(this.#acknowledged);
    this.#hurry();`,
    caughtBy: { simulation: 20 },
  },
  {
    name: 'no-sync-of-the-log',
    breaks: 'The segments are never synced; everything else goes on as if they were.',
    promise: 'What was acknowledged with `sync` is there after a power cut.',
    file: 'src/commit-log/commit-log.ts',
    find: "    for (const segment of written) await segment.file.sync('data');\n",
    replace: '',
    caughtBy: { simulation: 20 },
  },
  {
    name: 'only-the-last-segment-synced',
    breaks: 'When a sync has to cover several segments, only the newest one is synced.',
    promise: 'A sync covers all segments with unsynced bytes, in ascending order.',
    file: 'src/commit-log/commit-log.ts',
    find: "    for (const segment of written) await segment.file.sync('data');\n",
    replace: "    await written.at(-1)?.file.sync('data');\n",
    caughtBy: { simulation: 60 },
  },
  {
    name: 'group-commit-takes-in-later-writes',
    breaks: 'A sync counts for everything written by the time it returns, not by the time it was issued.',
    promise: 'A sync covers what was written when it was issued, and nothing else.',
    file: 'src/commit-log/flusher.ts',
    find: '        this.#flushed = end;\n',
    replace: '        this.#flushed = syncable();\n',
    caughtBy: { simulation: 60 },
  },
  {
    name: 'sync-tried-again-after-it-failed',
    breaks: 'A sync of the log that fails is made once more, and counts if it succeeds then.',
    promise: 'A failed sync is final: the pages may be gone although the next sync reports success.',
    file: 'src/commit-log/commit-log.ts',
    find: "    for (const segment of written) await segment.file.sync('data');\n",
    replace: "    for (const segment of written) await segment.file.sync('data').catch(async () => await segment.file.sync('data'));\n",
    caughtBy: { tests: 1 },
    tests: ['test/commit-log/final-failures.test.ts'],
  },
  {
    name: 'failed-write-not-zeroed',
    breaks: 'When the disk was full, what the rejected records had left in the log stays there.',
    promise: 'A rejected record does not come back.',
    file: 'src/commit-log/commit-log.ts',
    find: '      await zeroRange(segments.unsyncedBelow(issuedEnd), offset, issuedEnd);\n',
    replace: '',
    caughtBy: { tests: 1 },
    tests: ['test/commit-log/failed-writes.test.ts'],
  },
  {
    name: 'numbers-not-given-back',
    breaks: 'After an undone write the queues go on with the numbers behind those of the rejected records.',
    promise: 'Queues are dense: no number is left out.',
    file: 'src/commit-log/appender.ts',
    find: '      if (slot >= 0) registry.next[slot] = queueOffset;\n',
    replace: '',
    caughtBy: { simulation: 40 },
  },
  {
    name: 'any-failed-write-undone',
    breaks: 'A write that fails with EIO is undone as if the disk had been full, and the store goes on.',
    promise: 'Only a full disk is undone; any other failed write ends the instance.',
    file: 'src/commit-log/commit-log.ts',
    find: "new Set(['ENOSPC', 'EDQUOT'])",
    replace: "new Set(['ENOSPC', 'EDQUOT', 'EIO'])",
    caughtBy: { tests: 1 },
    tests: ['test/commit-log/final-failures.test.ts'],
  },
  {
    name: 'stored-time-goes-back',
    breaks: 'The time of storing is the wall clock as it is.',
    promise: 'The time of storing never goes back, whatever the clock does.',
    file: 'src/commit-log/appender.ts',
    find: 'const storedAt = nowMs > this.#lastStoredAt ? nowMs : this.#lastStoredAt;',
    replace: 'const storedAt = nowMs;',
    caughtBy: { simulation: 60 },
  },
  {
    name: 'readers-see-what-is-not-durable',
    breaks: 'A store that flushes with `sync` shows what is written, before it is synced.',
    promise: 'With `sync`, nobody acts on a message that a power cut could take back.',
    file: 'src/commit-log/commit-log.ts',
    find: "    return this.#options.flush === 'sync' ? this.flushed : this.written;",
    replace: '    return this.written;',
    caughtBy: { simulation: 40 },
  },
  {
    name: 'receipts-out-of-order',
    breaks: 'Of the calls that one sync makes durable, the last is told first.',
    promise: 'Receipts come in the order of the log.',
    file: 'src/commit-log/waiters.ts',
    find: `    while (this.#head < this.#waiters.length) {
      const waiter = this.#waiters[this.#head];
      if (waiter === undefined || waiter.end > position) break;
      this.#waiters[this.#head] = undefined;
      this.#head += 1;
      waiter.settle();
    }`,
    replace: `    const settled: LogWaiter[] = [];
    while (this.#head < this.#waiters.length) {
      const waiter = this.#waiters[this.#head];
      if (waiter === undefined || waiter.end > position) break;
      this.#waiters[this.#head] = undefined;
      this.#head += 1;
      settled.push(waiter);
    }
    for (const waiter of settled.reverse()) waiter.settle();`,
    caughtBy: { tests: 1 },
    tests: ['test/commit-log/waiters.test.ts'],
  },
];

import { describe, it } from 'vitest';
import { fileSystemConformance } from '../../src/testing/conformance.js';
import { memoryPlatform } from '../../src/testing/memory-platform.js';
import { withFaults } from '../../src/testing/with-faults.js';
import { traceCalls } from '../../src/testing/trace-calls.js';

describe('a disk in memory behaves as the seam says', () => {
  for (const { name, run } of fileSystemConformance(() => memoryPlatform(), '/checks')) it(name, run);
});

describe('so it does with a trace and without faults', () => {
  const wrapped = () =>
    traceCalls(
      withFaults(memoryPlatform({ seed: 7 }), () => undefined),
      () => undefined,
    );
  for (const { name, run } of fileSystemConformance(wrapped, '/checks')) it(name, run);
});

describe('so it does after a kill', () => {
  for (const { name, run } of fileSystemConformance(() => memoryPlatform({ seed: 8 }).crash('all'), '/checks')) it(name, run);
});

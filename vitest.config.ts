import { defineConfig, type ViteUserConfigFnObject } from 'vitest/config';

/** The parts whose every branch decides over somebody's data. */
const measured = ['format', 'commit-log', 'consume-queue', 'key-index', 'recovery'].map((folder) => `src/${folder}/**/*.ts`);
const branchesPercentMin = 95;

const configuration: ViteUserConfigFnObject = defineConfig(({ mode }) => ({
  test: {
    include: ['test/**/*.test.ts'],
    passWithNoTests: false,
    watch: false,
    pool: 'forks',
    // Vitest alone would leave one core to itself, which of two is half of the machine.
    maxWorkers: '100%',
    // Only what hangs: a busy machine takes many times as long as a quiet one, and a test must not fail for that.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    teardownTimeout: 180_000,
    coverage: {
      provider: 'v8',
      include: measured,
      reporter: ['text', 'json-summary'],
      reportsDirectory: 'coverage',
      reportOnFailure: true,
      ...(mode === 'coverage-check'
        ? { thresholds: Object.fromEntries(measured.map((glob) => [glob, { branches: branchesPercentMin }])) }
        : {}),
    },
  },
}));

export default configuration;

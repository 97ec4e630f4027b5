import { defineConfig, type ViteUserConfigFnObject } from 'vitest/config';

/** The tests beside a real broker. `--mode smoke`: the selection that a change can afford; else all of them. */
const configuration: ViteUserConfigFnObject = defineConfig(({ mode }) => ({
  test: {
    include: ['test/interop/**/*.test.ts'],
    env: { STRATALOG_INTEROP: mode === 'smoke' ? 'smoke' : 'all' },
    passWithNoTests: false,
    watch: false,
    pool: 'forks',
    // A broker wants a core of its own, and a gigabyte.
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 60_000,
  },
}));

export default configuration;

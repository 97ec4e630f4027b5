import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCount, objectOf } from './bench-result.js';

/** The named tests as a bench: `--json FILE` as all benches have it, `--only` some files. Seed and count mean nothing to them. */
const folders: readonly string[] = ['commit-log', 'consume-queue', 'contract', 'key-index', 'platform', 'recovery', 'store'].map(
  (name) => `test/${name}`,
);
const root = join(import.meta.dirname, '..', '..');

interface Told {
  readonly count: number;
  readonly failures: readonly { readonly what: string; readonly replay: string }[];
}

/** From the report of the test runner: what passed, and the names of what did not. */
function toldBy(reportPath: string, exit: string): Told {
  if (!existsSync(reportPath))
    return { count: 0, failures: [{ what: `the tests ended with ${exit} and without a report`, replay: 'npm test' }] };
  const report = objectOf(JSON.parse(readFileSync(reportPath, 'utf8')), 'the report');
  const { numPassedTests: passed, testResults } = report;
  const files = Array.isArray(testResults) ? testResults.map((file) => objectOf(file, 'a test file')) : [];
  const failures = files.flatMap((file) => {
    const path = String(file['name']).slice(root.length + 1);
    const tests = Array.isArray(file['assertionResults']) ? file['assertionResults'].map((test) => objectOf(test, 'a test')) : [];
    const failed = tests.filter((test) => test['status'] === 'failed').map((test) => `${path}: ${String(test['fullName'])}`);
    return file['status'] === 'failed' && failed.length === 0 ? [`${path}: it does not run`] : failed;
  });
  return {
    count: isCount(passed) ? passed : 0,
    failures: failures.map((what) => ({ what, replay: `npx vitest run ${what.split(':')[0]}` })),
  };
}

function valueOf(option: string): string | undefined {
  const at = process.argv.indexOf(option);
  return at < 0 ? undefined : process.argv[at + 1];
}

function main(jsonPath: string): number {
  const chosen = valueOf('--only')?.split(',') ?? folders;
  const folder = mkdtempSync(join(tmpdir(), 'stratalog-tests-'));
  const reportPath = join(folder, 'report.json');
  const startMs = performance.now();
  try {
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const args = [vitest, 'run', ...chosen, '--reporter=json', `--outputFile.json=${reportPath}`];
    const { status, signal } = spawnSync(process.execPath, args, { cwd: root, stdio: 'ignore' });
    const told = toldBy(reportPath, String(signal ?? status));
    const durationS = (performance.now() - startMs) / 1000;
    writeFileSync(jsonPath, JSON.stringify({ bench: 'tests', seedFrom: 0, ...told, skipped: [], durationS }));
    return told.failures.length === 0 && told.count > 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const jsonPath = valueOf('--json');
if (jsonPath === undefined) throw new Error('--json FILE is missing');
process.exitCode = main(jsonPath);

import { posix } from 'node:path';
import { moduleFacts } from './module-facts.js';

const low = ['base', 'format', 'platform', 'segment'];
const structures = ['commit-log', 'consume-queue', 'key-index'];
const deciders = ['dispatch', 'recovery', 'retention'];
const publicEntries = ['index.ts', 'testing/index.ts'];

/**
 * The floors of ARCHITECTURE.md: for each folder of src (or file directly in it) what it may import besides its own folder.
 * An entry that ends in `.ts` means that one file.
 */
export const floors: Readonly<Record<string, readonly string[]>> = {
  base: [],
  format: ['base'],
  platform: ['base'],
  segment: ['base', 'platform'],
  'commit-log': low,
  'consume-queue': low,
  'key-index': low,
  dispatch: [...low, 'commit-log'],
  recovery: [...low, 'commit-log'],
  retention: [...low, 'commit-log'],
  store: [...low, ...structures, ...deciders],
  'index.ts': [...low, ...structures, ...deciders, 'store', 'open-store.ts'],
  'open-store.ts': [...low, ...structures, ...deciders, 'store'],
  testing: ['base', 'format', 'platform', 'index.ts'],
  messaging: publicEntries,
  cli: publicEntries,
};

/** Where a file of src belongs in the table: its folder, or its own name if it lies directly in src. */
export function floorOf(path: string): string {
  const [, first = ''] = path.split('/');
  return first;
}

/** One sentence for each import of `source` that goes up, sideways, or to a file that the table does not know. */
export function floorViolations(path: string, source: string): readonly string[] {
  const floor = floorOf(path);
  const allowed = floors[floor];
  if (allowed === undefined) return [`${path}: ${floor} has no place in the floors`];
  const violations: string[] = [];
  for (const { from, line } of moduleFacts(path, source).imports) {
    if (!from.startsWith('.')) continue;
    const target = posix.join(posix.dirname(path), from.replace(/\.js$/, '.ts'));
    const fine =
      target.startsWith('src/') &&
      ((floorOf(target) === floor && !floor.endsWith('.ts')) ||
        allowed.includes(floorOf(target)) ||
        allowed.includes(target.slice('src/'.length)));
    if (!fine) violations.push(`${path}:${line}: ${floor} may not import ${target}`);
  }
  return violations;
}

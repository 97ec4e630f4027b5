import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readJson, repositoryRoot } from './repository-files.js';

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
type Lock = Readonly<Record<string, LockedPackage>>;

function lockedPackages(): Lock {
  return readJson('package-lock.json')['packages'] as Lock;
}

/** The paths under which npm looks for `name` when the package at `parentPath` asks for it. */
function candidates(parentPath: string, name: string): readonly string[] {
  const steps = parentPath.split('/node_modules/');
  const nested = steps.map((_, count) => `${steps.slice(0, count + 1).join('/node_modules/')}/node_modules/${name}`);
  return [`node_modules/${name}`, ...nested];
}

function missingPlatformPackages(lock: Lock): readonly string[] {
  return Object.entries(lock).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {}).filter((name) => path !== '' && !candidates(path, name).some((place) => place in lock)),
  );
}

function exportedFiles(exported: unknown): readonly string[] {
  if (typeof exported === 'string') return [exported];
  return Object.values(exported as Record<string, unknown>).flatMap(exportedFiles);
}

/** The source that is compiled to `path`, or `path` itself if it is not compiled. */
function sourceOf(path: string): string {
  return path.replace(/^\.\/dist\//, 'src/').replace(/(?:\.d\.ts|\.js)$/, '.ts');
}

describe('package', () => {
  it('what package.json exports has its source', () => {
    const files = exportedFiles(readJson('package.json')['exports']);
    expect(files.length).toBeGreaterThan(4);
    expect(files.map(sourceOf).filter((path) => !existsSync(join(repositoryRoot, path)))).toEqual([]);
    expect(sourceOf('./dist/made-up/index.d.ts')).toBe('src/made-up/index.ts');
  });

  it('the pages that are published are there', () => {
    const pages = (readJson('package.json')['files'] as readonly string[]).filter((name) => name !== 'dist');
    expect([...pages, 'README.md', 'LICENSE'].filter((name) => !existsSync(join(repositoryRoot, name)))).toEqual([]);
  });

  it('the lock file names no place to fetch from', () => {
    const lock = lockedPackages();
    expect(Object.keys(lock).length).toBeGreaterThan(10);
    expect(Object.entries(lock).filter(([, entry]) => entry.resolved !== undefined)).toEqual([]);
  });

  it('the lock file has an entry for every platform of every prebuilt tool, or npm ci refuses it (npm run lockfile adds them)', () => {
    expect(missingPlatformPackages(lockedPackages())).toEqual([]);
    const incomplete: Lock = {
      'node_modules/tool': { optionalDependencies: { '@tool/linux-x64': '1.0.0', '@tool/win32-x64': '1.0.0' } },
      'node_modules/@tool/linux-x64': {},
    };
    expect(missingPlatformPackages(incomplete)).toEqual(['@tool/win32-x64']);
  });

  it('no dependency at run time has an install script, and the one of a tool is refused by name', () => {
    const withScript = Object.entries(lockedPackages()).filter(([, entry]) => entry.hasInstallScript === true);
    const decided = readJson('package.json')['allowScripts'] as Readonly<Record<string, boolean>>;
    expect(withScript.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length))).toEqual(
      Object.keys(decided),
    );
  });

  it('every script of package.json that names a file names one that is there', () => {
    const scripts = Object.values(readJson('package.json')['scripts'] as Readonly<Record<string, string>>);
    const named = scripts.flatMap((script) => script.match(/(?<=\s)(?:\.ci|bench|test|src)\/[\w/.-]+|\b[\w.-]+\.json\b/g) ?? []);
    expect(named.length).toBeGreaterThan(2);
    expect(named.filter((path) => !existsSync(join(repositoryRoot, path)))).toEqual([]);
  });
});

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { repositoryRoot } from './repository.js';

/** What a figure depends on besides the program: it belongs beside every figure that is kept. */
export interface Environment {
  readonly time: string;
  readonly commit: string | undefined;
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
  readonly kernel: string;
  readonly cpuModel: string;
  readonly coreCount: number;
  readonly memoryBytes: number;
  /** Type and options of the mount that holds the directory; Linux only. */
  readonly fileSystem: string | undefined;
}

export function readEnvironment(directory: string): Environment {
  return {
    time: new Date().toISOString(),
    commit: commit(),
    node: process.version,
    v8: process.versions.v8,
    platform: `${process.platform} ${process.arch}`,
    kernel: release(),
    cpuModel: cpus()[0]?.model ?? 'unknown',
    coreCount: cpus().length,
    memoryBytes: totalmem(),
    fileSystem: fileSystemOf(directory),
  };
}

function commit(): string | undefined {
  const git = (...words: string[]): string =>
    execFileSync('git', words, { cwd: repositoryRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', 'HEAD') + (git('status', '--porcelain', '--', 'src', 'bench') === '' ? '' : ' with changes');
  } catch {
    return undefined;
  }
}

function fileSystemOf(directory: string): string | undefined {
  let mounts: string;
  try {
    mounts = readFileSync('/proc/self/mounts', 'utf8');
  } catch {
    return undefined;
  }
  const path = resolve(directory);
  const found = mounts
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, at = '']) => at !== '' && (path === at || path.startsWith(at.endsWith('/') ? at : `${at}/`)))
    .sort(([, left = ''], [, right = '']) => right.length - left.length)[0];
  return found === undefined ? undefined : `${found[2]} on ${found[0]} at ${found[1]} (${found[3]})`;
}

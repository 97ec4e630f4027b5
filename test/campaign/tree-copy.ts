import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const repositoryRoot: string = join(import.meta.dirname, '..', '..');

/** What a bench needs of the tree. Packages come by a link, and so do the data, which no bench changes. */
const copied: readonly string[] = ['src', 'test', 'bench', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
const linked: readonly string[] = ['node_modules', 'data'];

/** Either the files as they are, or those of the last commit: what somebody is changing at the moment stays out of it then. */
export type TreeSource = 'files' | 'commit';

/** A tree of its own in the temporary folder, so that a bench can run over an engine that is broken, or that must not change meanwhile. */
export class TreeCopy {
  readonly path: string;

  constructor(source: TreeSource) {
    this.path = mkdtempSync(join(tmpdir(), 'stratalog-tree-'));
    if (source === 'files') this.#copyFiles();
    else this.#unpackCommit();
    for (const name of linked) if (existsSync(join(repositoryRoot, name))) symlinkSync(join(repositoryRoot, name), join(this.path, name));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #copyFiles(): void {
    for (const name of copied) cpSync(join(repositoryRoot, name), join(this.path, name), { recursive: true });
  }

  #unpackCommit(): void {
    const archive = execFileSync('git', ['archive', '--format=tar', 'HEAD', ...copied], { cwd: repositoryRoot, maxBuffer: 1024 ** 3 });
    execFileSync('tar', ['-xf', '-', '-C', this.path], { input: archive });
  }
}

/** The short hash of the last commit; `+`: files differ from it. Undefined: there is no git here. */
export function commitName(source: TreeSource): string | undefined {
  try {
    const name = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: repositoryRoot, encoding: 'utf8' }).trim();
    if (source === 'commit') return name;
    const changes = execFileSync('git', ['status', '--porcelain', '--', ...copied], { cwd: repositoryRoot, encoding: 'utf8' });
    return changes === '' ? name : `${name}+`;
  } catch {
    return undefined;
  }
}

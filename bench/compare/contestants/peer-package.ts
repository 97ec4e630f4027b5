import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { repositoryRoot } from '../../common/repository.js';

/** The peers are packages of `bench/compare`, not of the project: they are looked for there, and may be missing. */
const folder = join(repositoryRoot, 'bench', 'compare');
const requirePeer = createRequire(join(folder, 'package.json'));

export function loadPeer(name: string): unknown {
  return requirePeer(name) as unknown;
}

export function peerVersion(name: string): string {
  const description = readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(description) as { readonly version: string }).version;
}

export function peerFile(path: string): string {
  return readFileSync(join(folder, 'node_modules', path), 'utf8');
}

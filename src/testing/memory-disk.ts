/**
 * What a disk in memory holds, apart from any process that uses it: names, contents, free space. The disk decides what a
 * power cut leaves; processes (`MemoryFileSystem`) come and go over it.
 */
import { systemError } from '../platform/system-error.js';
import { MemoryContent } from './memory-content.js';
import { MemoryDirectory, MemoryFileNode, MemoryNames, type MemoryNode } from './memory-names.js';
import { type BlockBytes, MemorySpace } from './memory-space.js';
import { SeededRandom } from './seeded-random.js';

/** A name in a directory that is there, and what it stands for. */
export interface Place {
  readonly directory: MemoryDirectory;
  readonly name: string;
  readonly node: MemoryNode | undefined;
}

export class MemoryDisk {
  readonly space: MemorySpace;
  readonly random: SeededRandom;
  readonly names: MemoryNames = new MemoryNames();

  constructor(capacityBytes: number, blockBytes: BlockBytes, random: SeededRandom) {
    this.space = new MemorySpace(capacityBytes, blockBytes);
    this.random = random;
  }

  newFile(): MemoryFileNode {
    return new MemoryFileNode(new MemoryContent(this.space, this.random));
  }

  /** Where a path leads; ENOENT or ENOTDIR if what it goes through is not there or no directory. */
  place(path: string, syscall: string): Place {
    const parts = namesOf(path);
    const name = parts.pop() ?? '';
    let directory = this.names.root;
    for (const part of parts) {
      const next = directory.current.get(part);
      if (next === undefined) throw systemError('ENOENT', syscall, path);
      if (next.kind !== 'directory') throw systemError('ENOTDIR', syscall, path);
      directory = next;
    }
    return { directory, name, node: name === '' ? directory : directory.current.get(name) };
  }

  node(path: string, syscall: string): MemoryNode {
    const { node } = this.place(path, syscall);
    if (node === undefined) throw systemError('ENOENT', syscall, path);
    return node;
  }

  file(path: string, syscall: string): MemoryFileNode {
    const node = this.node(path, syscall);
    if (node.kind !== 'file') throw systemError('EISDIR', syscall, path);
    return node;
  }

  directory(path: string, syscall: string): MemoryDirectory {
    const node = this.node(path, syscall);
    if (node.kind !== 'directory') throw systemError('ENOTDIR', syscall, path);
    return node;
  }

  makeDirectories(path: string): void {
    let directory = this.names.root;
    for (const name of namesOf(path)) {
      let next = directory.current.get(name);
      if (next === undefined) {
        next = new MemoryDirectory();
        this.names.change([{ directory, name, node: next }]);
      }
      if (next.kind !== 'directory') throw systemError('EEXIST', 'mkdir', path);
      directory = next;
    }
  }

  /** A disk that holds what this one may hold after the power failed now. This one stays as it is. */
  afterPowerCut(keep: 'synced' | 'random'): MemoryDisk {
    const after = new MemoryDisk(this.space.capacityBytes, this.space.blockBytes, new SeededRandom(this.random.uint32()));
    const share = this.random.share();
    const namesIn = this.names.afterPowerCut(() => keep === 'random' && this.random.chance(share));
    const copies = new Map<MemoryFileNode, MemoryFileNode>();
    const copyFile = (file: MemoryFileNode): MemoryFileNode => {
      let copy = copies.get(file);
      if (copy === undefined) {
        copy = new MemoryFileNode(file.content.afterPowerCut(keep, after.space, after.random));
        copies.set(file, copy);
      }
      copy.linkCount += 1;
      return copy;
    };
    const copyDirectory = (from: MemoryDirectory, to: MemoryDirectory): MemoryDirectory => {
      for (const [name, node] of namesIn(from)) {
        const copy = node.kind === 'file' ? copyFile(node) : copyDirectory(node, new MemoryDirectory());
        to.current.set(name, copy);
        to.durable.set(name, copy);
      }
      return to;
    };
    copyDirectory(this.names.root, after.names.root);
    return after;
  }
}

/** `/a/b` and, from a test that runs on Windows, `C:\a\b`. */
function namesOf(path: string): string[] {
  if (!/^(?:[/\\]|[A-Za-z]:[/\\])/.test(path)) throw new TypeError(`a path of this disk must be absolute, not '${path}'`);
  return path.split(/[/\\]/).filter((name) => name !== '' && name !== '.');
}

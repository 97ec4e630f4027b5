import type { FileSystem, Platform, StoreFile } from '../../src/index.js';

/** Makes a call of the file system, or of a file of that path, before, after or in place of what else it does. */
export type Around = (op: string, path: string, call: () => unknown) => unknown;

/** `base`, each of whose calls goes through `around`. */
export function aroundCalls<P extends Platform>(base: P, around: Around): P {
  const wrapped = <T extends FileSystem | StoreFile>(target: T): T =>
    new Proxy(target, {
      get: (_, name): unknown => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return (...given: unknown[]): unknown => {
          const path = 'path' in target ? target.path : String(given[0]);
          const result = around(String(name), path, () => Reflect.apply(member, target, given) as unknown);
          return name === 'open' ? wrapped(result as StoreFile) : result;
        };
      },
    });
  const fs = wrapped(base.fs);
  return new Proxy(base, {
    get: (target, name): unknown => {
      if (name === 'fs') return fs;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

import { getSystemErrorMap } from 'node:util';

/** `ENOENT` -> number and words of this machine. */
let known: ReadonlyMap<string, readonly [errno: number, words: string]> | undefined;

function facts(code: string): readonly [errno: number, words: string] {
  known ??= new Map([...getSystemErrorMap()].map(([errno, [name, words]]) => [name, [errno, words]]));
  return known.get(code) ?? [-1, 'unknown error'];
}

/** An error shaped like those of `node:fs`, for what is refused without asking the kernel. */
export function systemError(code: string, syscall: string, path?: string): NodeJS.ErrnoException {
  const [errno, words] = facts(code);
  const error: NodeJS.ErrnoException = new Error(`${code}: ${words}, ${syscall}${path === undefined ? '' : ` '${path}'`}`);
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  return error;
}

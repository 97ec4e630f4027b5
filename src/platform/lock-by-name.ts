import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { systemError } from './system-error.js';

/**
 * Takes a name that only one process of the machine can have and that the kernel frees when the process dies.
 * The name is made of the directory's device and inode, so it does not matter by which path it was reached.
 * `undefined`: somebody has it. Elsewhere than on Linux and Windows: ENOTSUP, since no name there is freed by the kernel.
 */
export function lockByName(directory: string): (() => void) | undefined {
  const facts = fs.statSync(directory, { bigint: true });
  const server = createServer((connection) => connection.destroy());
  // A refusal is told by `listening`, below; the event comes a turn later.
  server.on('error', () => undefined);
  // Binding happens inside the call; `exclusive`, since in a cluster's worker it would otherwise be asked of the parent, later.
  server.listen({ path: nameOf(`stratalog-${facts.dev}-${facts.ino}`, directory), exclusive: true });
  if (!server.listening) return undefined;
  server.unref();
  return () => {
    server.close();
  };
}

function nameOf(id: string, directory: string): string {
  if (process.platform === 'linux') return `\0${id}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${id}`;
  throw systemError('ENOTSUP', 'lock', directory);
}

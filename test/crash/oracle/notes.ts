import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';

/**
 * What a process that is going to die says about its appends, line by line, in a file that does not lie on the disk under test. The
 * operating system has a line when the write returns, so it outlives the process; half a line is no line.
 *
 *   ? id kind count             about to append `count` messages from `id` on (kind: append, batch, sync, all)
 *   ! id level offset queueOffset   acknowledged; level `d`: must survive a power cut, `w`: must survive a kill; `-` where not told
 *   x id stored code            refused (stored: no, unknown)
 *   v id                        a reader was given it
 *   f id                        a flush has resolved that began when `id` was the next number
 *   c offset                    about to delete segments that end at or before it
 *   s name id                   a snapshot has begun when `id` was the next number
 *   S name                      and has been made
 *   p phase                     opening, open, closing, closed
 *   e text                      something that must never happen
 *   t text                      something that may happen, for the statistics
 */
export type AppendKind = 'append' | 'batch' | 'sync' | 'all';

export class NotesWriter {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'a');
  }

  write(...parts: readonly (string | number)[]): void {
    writeSync(this.#fd, `${parts.join(' ')}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The fields of every whole line from byte `from` to byte `to`. */
export function readNotes(path: string, from: number, to: number): readonly (readonly string[])[] {
  if (!existsSync(path)) return [];
  const text = readFileSync(path).subarray(from, Math.min(to, Number.MAX_SAFE_INTEGER)).toString();
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '));
}

import { tmpdir } from 'node:os';
import type { Dice } from '../common/dice.js';
import { hasCommand, run } from './commands.js';

export interface InjectedError {
  readonly call: string;
  readonly error: string;
  /** At that call of its thread, counted from 1. */
  readonly nth: number;
  /** From then on every time. */
  readonly forGood: boolean;
}

/** How often a life makes the call before it may fail: node itself reads with `pread64` as it starts. */
const calls: Readonly<Record<string, { readonly from: number; readonly spread: number; readonly errors: readonly string[] }>> = {
  fdatasync: { from: 1, spread: 60, errors: ['EIO', 'ENOSPC'] },
  fsync: { from: 1, spread: 60, errors: ['EIO'] },
  pwrite64: { from: 1, spread: 300, errors: ['EIO', 'ENOSPC', 'EDQUOT'] },
  pwritev: { from: 1, spread: 60, errors: ['EIO', 'ENOSPC'] },
  pread64: { from: 20, spread: 400, errors: ['EIO'] },
  ftruncate: { from: 1, spread: 30, errors: ['EIO', 'ENOSPC'] },
  rename: { from: 1, spread: 30, errors: ['EIO', 'ENOSPC'] },
  unlink: { from: 1, spread: 20, errors: ['EIO'] },
  mkdir: { from: 1, spread: 20, errors: ['EIO', 'ENOSPC'] },
};

export function randomInjection(dice: Dice): InjectedError {
  const call = dice.weighted({
    fdatasync: 30,
    fsync: 15,
    pwrite64: 20,
    pwritev: 8,
    pread64: 10,
    ftruncate: 6,
    rename: 6,
    unlink: 5,
    mkdir: 3,
  });
  const { from, spread, errors } = calls[call]!;
  return {
    call,
    error: dice.pick(errors),
    nth: from + dice.below(dice.chance(0.5) ? Math.ceil(spread / 6) : spread),
    forGood: dice.chance(0.3),
  };
}

/** The words before a command that make its calls fail. */
export function straceWith({ call, error, nth, forGood }: InjectedError): readonly string[] {
  const when = `${nth}${forGood ? '+' : ''}`;
  return [
    'strace',
    '-f',
    '--seccomp-bpf',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    `trace=${call}`,
    '-e',
    `inject=${call}:error=${error}:when=${when}`,
  ];
}

/** strace counts the calls of each thread for itself. */
export const oneThread: Readonly<Record<string, string>> = { UV_THREADPOOL_SIZE: '1' };

let known: { readonly why: string | undefined } | undefined;

export function whyNoStrace(): string | undefined {
  known ??= { why: attempt() };
  return known.why;
}

function attempt(): string | undefined {
  if (process.platform !== 'linux') return `not on ${process.platform}`;
  if (!hasCommand('strace')) return 'no strace';
  try {
    run(
      ...(straceWith({ call: 'mkdir', error: 'EIO', nth: 1, forGood: false }) as [string, ...string[]]),
      'mkdir',
      `${tmpdir()}/never-made`,
    );
    return 'strace injects no error';
  } catch (error) {
    const text = String(error);
    return text.includes('Input/output error') ? undefined : `strace does not work: ${text.slice(0, 200)}`;
  }
}

import type { Durability } from './contestant.js';

/** One kind of work, which everybody who takes part does in turns. */
export interface Column {
  readonly name: string;
  readonly title: string;
  readonly durability: Durability;
  /** Messages in a call; 1: single messages. */
  readonly batch: number;
  /** How many await their call at a time. */
  readonly callers: number;
  readonly bodyBytes: number;
  readonly keyed: boolean;
  /** Messages of a round, unless the time is over before. */
  readonly count: number;
  /** Whether what was stored is then read and looked for, and how quick that is. */
  readonly finds: boolean;
}

const async100 = { durability: 'async', bodyBytes: 100, keyed: true, finds: false } as const;

export const columns: readonly Column[] = [
  { ...async100, name: 'batch-100B', title: 'async, batches of 100, 100 B', batch: 100, callers: 1, count: 300_000, finds: true },
  { ...async100, name: 'batch-1KiB', title: 'async, batches of 100, 1 KiB', batch: 100, callers: 1, count: 100_000, bodyBytes: 1_024 },
  { ...async100, name: 'callers-64', title: 'async, 64 callers, 100 B', batch: 1, callers: 64, count: 200_000 },
  { ...async100, name: 'callers-1', title: 'async, 1 caller, 100 B', batch: 1, callers: 1, count: 150_000 },
  { ...async100, name: 'sync-1', title: 'sync, 1 caller, 100 B', durability: 'sync', batch: 1, callers: 1, count: 10_000 },
  { ...async100, name: 'sync-64', title: 'sync, 64 callers, 100 B', durability: 'sync', batch: 1, callers: 64, count: 200_000 },
  { ...async100, name: 'sync-512', title: 'sync, 512 callers, 100 B', durability: 'sync', batch: 1, callers: 512, count: 500_000 },
  {
    ...async100,
    name: 'no-keys-100B',
    title: 'async, batches of 100, 100 B, no keys',
    batch: 100,
    callers: 1,
    count: 500_000,
    keyed: false,
  },
  {
    ...async100,
    name: 'no-keys-1KiB',
    title: 'async, batches of 100, 1 KiB, no keys',
    batch: 100,
    callers: 1,
    count: 100_000,
    bodyBytes: 1_024,
    keyed: false,
  },
];

export function columnNamed(name: string): Column {
  const found = columns.find((column) => column.name === name);
  if (found === undefined) throw new Error(`there is no column ${name}: there are ${columns.map((column) => column.name).join(', ')}`);
  return found;
}

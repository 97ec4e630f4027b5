import { crc32 } from '../../base/checksum.js';

/**
 * RocketMQ's epoch file, text: the number of entries, the CRC-32 (31 bits) of the text after it (0: unchecked), then
 * `epoch-startOffset` for each. Lines end as the writer's platform has it.
 */
export interface EpochEntry {
  readonly epoch: number;
  readonly startOffset: number;
}

export function encodeEpochFile(entries: readonly EpochEntry[]): string {
  const lines = entries.map(({ epoch, startOffset }) => `${epoch}-${startOffset}\n`).join('');
  const bytes = Buffer.from(lines);
  return `${entries.length}\n${crc32(bytes, 0, bytes.length) & 0x7fffffff}\n${lines}`;
}

/** `undefined`: damaged. */
export function decodeEpochFile(text: string): EpochEntry[] | undefined {
  const head = /^(\d{1,9})\r?\n(\d{1,10})\r?\n/.exec(text);
  if (head === null) return undefined;
  const rest = Buffer.from(text.slice(head[0].length));
  const expected = Number(head[2]);
  if (expected !== 0 && (crc32(rest, 0, rest.length) & 0x7fffffff) !== expected) return undefined;
  const lines = rest.toString().split(/\r?\n/);
  if (lines.pop() !== '' || lines.length !== Number(head[1])) return undefined;
  const entries: EpochEntry[] = [];
  for (const line of lines) {
    const match = /^(\d{1,10})-(\d{1,16})$/.exec(line);
    const startOffset = Number(match?.[2]);
    if (match === null || !Number.isSafeInteger(startOffset)) return undefined;
    entries.push({ epoch: Number(match[1]), startOffset });
  }
  return entries;
}

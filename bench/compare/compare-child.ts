import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Column, columnNamed } from './columns.js';
import { runCompareRound, type RoundLimits } from './compare-round.js';
import { contestantKind } from './contestants/kinds.js';

/**
 * One round of one contestant in a process of its own, after a short one to warm up in a directory of its own. Prints one line of JSON.
 * Parameters: contestant, column, directory, messages at most, seconds at most.
 */
const [name = '', columnName = '', directory = '', count = '', seconds = ''] = process.argv.slice(2);
const warmUpShare = 0.1;
const warmUpSecondsMax = 0.3;

const kind = contestantKind(name);
const column = columnNamed(columnName);
const limits: RoundLimits = { count: Number(count), secondsMax: Number(seconds) };
const fresh = (part: string): string => {
  const path = join(directory, part);
  mkdirSync(path, { recursive: true });
  return path;
};
const warmUp: Column = { ...column, finds: false };
const warmUpLimits = { count: Math.ceil(limits.count * warmUpShare), secondsMax: Math.min(warmUpSecondsMax, limits.secondsMax) };
await runCompareRound(kind, warmUp, fresh('warm-up'), warmUpLimits);
const round = await runCompareRound(kind, column, fresh('round'), limits);
process.stdout.write(`${JSON.stringify(round)}\n`);

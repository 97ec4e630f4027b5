import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { median } from '../common/numbers.js';
import { runForJson } from '../common/run-child.js';
import type { Column } from './columns.js';
import type { CompareRound, RoundLimits } from './compare-round.js';
import { contestantKind, nodeContestantNames } from './contestants/kinds.js';
import { jvmPeer } from './jvm-class-path.js';
import { JvmProcess, type JvmWay, jvmWays } from './jvm-process.js';

export interface CompareOptions {
  readonly columns: readonly Column[];
  readonly rounds: number;
  readonly secondsMax: number;
  readonly countMax: number;
  /** In Java, before the first round of each kind of work; a Node process warms up for a tenth of a round, at most 0.3 s. */
  readonly jvmWarmUpSeconds: number;
  /** All that can take part, if not given. */
  readonly contestants?: readonly string[] | undefined;
  readonly note: (line: string) => void;
}

export interface CompareResult {
  readonly contestants: readonly { readonly name: string; readonly version: string; readonly how: string }[];
  readonly leftOut: readonly { readonly name: string; readonly why: string }[];
  readonly failures: readonly { readonly name: string; readonly column: string; readonly why: string }[];
  readonly columns: readonly ComparedColumn[];
}

export interface ComparedColumn {
  readonly column: Column;
  readonly results: Readonly<Record<string, readonly CompareRound[]>>;
}

interface Participant {
  readonly name: string;
  readonly version: string;
  readonly how: string;
  readonly takesPart: (column: Column) => boolean;
  readonly round: (column: Column, directory: string, limits: RoundLimits) => Promise<CompareRound>;
  readonly end: () => void;
}

export function contestantNames(): readonly string[] {
  return [...nodeContestantNames, ...jvmWays.map((way) => way.name)];
}

/** Everybody in turns, round after round, so that all meet the same machine. One that loses what it was given is named as failed. */
export async function runCompare(directory: string, options: CompareOptions): Promise<CompareResult> {
  const { participants, leftOut } = await whoIsThere(directory, options);
  const failures: { name: string; column: string; why: string }[] = [];
  const compared: ComparedColumn[] = [];
  try {
    for (const column of options.columns) {
      const results: Record<string, CompareRound[]> = {};
      for (let round = 0; round < options.rounds; round += 1) {
        for (const participant of participants.filter((one) => one.takesPart(column))) {
          if (failures.some((failure) => failure.name === participant.name && failure.column === column.name)) continue;
          try {
            (results[participant.name] ??= []).push(await inFreshFolder(directory, participant, column, options));
          } catch (error) {
            failures.push({ name: participant.name, column: column.name, why: error instanceof Error ? error.message : String(error) });
          }
        }
      }
      compared.push({ column, results });
      options.note(line(column, results));
    }
  } finally {
    for (const participant of participants) participant.end();
  }
  const contestants = participants.map(({ name, version, how }) => ({ name, version, how }));
  return { contestants, leftOut, failures, columns: compared };
}

export function medianRate(rounds: readonly CompareRound[]): number {
  return median(rounds.map((round) => round.messagesPerSecond));
}

async function inFreshFolder(directory: string, participant: Participant, column: Column, options: CompareOptions): Promise<CompareRound> {
  const path = join(directory, 'contestant');
  mkdirSync(path);
  try {
    const limits = { count: Math.min(column.count, options.countMax), secondsMax: options.secondsMax };
    return await participant.round(column, path, limits);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

async function whoIsThere(
  directory: string,
  options: CompareOptions,
): Promise<{ readonly participants: readonly Participant[]; readonly leftOut: CompareResult['leftOut'] }> {
  const participants: Participant[] = [];
  const leftOut: { name: string; why: string }[] = [];
  const tryOne = async (name: string, make: () => Participant | Promise<Participant>): Promise<void> => {
    if (options.contestants !== undefined && !options.contestants.includes(name)) return;
    try {
      participants.push(await make());
    } catch (error) {
      const why = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
      leftOut.push({ name, why });
      options.note(`${name} is left out: ${why}`);
    }
  };
  for (const name of nodeContestantNames) await tryOne(name, () => nodeParticipant(name));
  for (const way of jvmWays) await tryOne(way.name, () => jvmParticipant(way, directory, options.jvmWarmUpSeconds));
  return { participants, leftOut };
}

function nodeParticipant(name: string): Participant {
  const { version, how, finds } = contestantKind(name);
  return {
    name,
    version,
    how,
    takesPart: (column) => column.keyed || name === 'stratalog' || !finds,
    round: async (column, directory, limits) => {
      const words = [name, column.name, directory, String(limits.count), String(limits.secondsMax)];
      return (await runForJson('compare/compare-child', words)) as CompareRound;
    },
    end: () => undefined,
  };
}

async function jvmParticipant(way: JvmWay, directory: string, warmUpSeconds: number): Promise<Participant> {
  const peer = await jvmPeer(way.folder);
  const home = join(directory, `java-${way.className}-${way.way}`);
  mkdirSync(home);
  let started: JvmProcess | undefined;
  return {
    name: way.name,
    version: peer.version,
    how: way.how,
    takesPart: (column) => way.folder === 'rocketmq' || (!column.keyed && column.durability === 'async'),
    round: (column, path, limits) => (started ??= new JvmProcess(peer, way, warmUpSeconds, home)).round(column, path, limits),
    end: () => started?.end(),
  };
}

function line(column: Column, results: ComparedColumn['results']): string {
  const rates = Object.entries(results).map(([name, rounds]) => `${name} ${Math.round(medianRate(rounds)).toLocaleString('en-US')}/s`);
  return `${column.title}: ${rates.join(', ')}`;
}

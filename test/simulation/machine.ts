import type { Platform } from '../../src/index.js';
import {
  type Fault,
  faultyPlatform,
  type FaultRule,
  type FaultyPlatform,
  type MemoryPlatform,
  memoryPlatform,
} from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { SimulatedClock } from './simulated-clock.js';

export type Keep = 'synced' | 'random' | 'all';

export interface MachineOptions {
  readonly seed: number;
  readonly blockBytes: 512 | 4096;
  readonly onLine: ((line: string) => void) | undefined;
}

const refusals: ReadonlySet<string> = new Set(['EROFS', 'EACCES', 'EPERM']);

/** A computer that can lose power: its disk, its clock, and what is wrong with them at the moment. */
export class Machine {
  readonly clock: SimulatedClock = new SimulatedClock();
  readonly #onLine: ((line: string) => void) | undefined;
  readonly #seed: number;
  #memory: MemoryPlatform;
  #faulty: FaultyPlatform;
  #platform: Platform;
  #underWayCount = 0;
  #successor: MemoryPlatform | undefined;
  #struckBefore = 0;
  #bomb: { callsLeft: number; readonly keep: Keep; readonly chance: number } | undefined;
  crashCount = 0;
  /** How the power last went. */
  kept: Keep = 'all';
  callCount = 0;
  #planned: { readonly call: number; readonly rule: FaultRule } | undefined;

  constructor(options: MachineOptions) {
    this.#onLine = options.onLine;
    this.#seed = options.seed;
    this.#memory = memoryPlatform({ seed: options.seed, clock: this.clock, blockBytes: options.blockBytes });
    this.#faulty = this.#makeFaulty();
    this.#platform = this.#counted();
  }

  /** What a store runs on. A new one after each crash. */
  get platform(): Platform {
    return this.#platform;
  }
  /** Calls that have begun and not ended. */
  get underWayCount(): number {
    return this.#underWayCount;
  }
  /** Without faults, bombs and counting: how a check looks at the disk. */
  get bare(): Platform {
    return this.#memory;
  }
  get openPaths(): readonly string[] {
    return this.#memory.openPaths;
  }
  /** Calls that went wrong, a power cut at a call not counted. */
  get struckCount(): number {
    return this.#struckBefore + this.#faulty.struckCount;
  }
  /** Reads may have come out short. */
  hasCutReads: boolean = false;
  get isDown(): boolean {
    return this.#successor !== undefined;
  }

  tell(line: string): void {
    this.#onLine?.(line);
  }

  addFault(rule: FaultRule): void {
    this.tell(`> fault ${JSON.stringify({ ...rule, path: rule.path?.source, count: String(rule.count) })}`);
    this.#faulty.add(sparingTheRoot(rule));
  }

  /** The fault strikes at the `call`th call from now, or, where it cannot happen to that one, at the next to which it can. */
  addFaultAt(call: number, fault: Fault, forGood: boolean): void {
    this.tell(`> fault at call ${call}${forGood ? ' and from there on' : ''}: ${JSON.stringify(fault)}`);
    this.hasCutReads ||= fault.kind === 'short-read';
    const rule = sparingTheRoot({ fault, count: forGood ? Number.POSITIVE_INFINITY : 1 });
    this.#planned = { call: this.callCount + call, rule };
  }

  clearFaults(): void {
    this.#planned = undefined;
    this.#faulty.clear();
  }

  /** The power goes at the `calls`th call from now. Another `chance` is another choice of what survives. */
  armBomb(calls: number, keep: Keep, chance: number = 0): void {
    this.tell(`> bomb after ${calls} calls, ${keep}`);
    this.#bomb = { callsLeft: calls, keep, chance };
  }

  /** The power goes, or the process is killed (`all`): everything fails from now on, until `restart`. */
  crash(keep: Keep, chance: number = 0): void {
    if (this.#successor !== undefined) return;
    this.tell(`> crash ${keep}`);
    this.#bomb = undefined;
    this.kept = keep;
    this.crashCount += 1;
    for (let draw = 0; draw < chance; draw += 1) this.#memory.crash(keep);
    this.#successor = this.#memory.crash(keep);
  }

  restart(): void {
    this.#bomb = undefined;
    if (this.#successor === undefined) return;
    this.#struckBefore += this.#faulty.struckCount;
    this.#memory = this.#successor;
    this.#successor = undefined;
    this.#faulty = this.#makeFaulty();
    this.#platform = this.#counted();
  }

  #makeFaulty(): FaultyPlatform {
    return faultyPlatform(this.#memory, {
      seed: this.#seed + this.crashCount,
      onCall: this.#onLine,
      before: () => this.#beforeCall(),
    });
  }

  #counted(): Platform {
    this.#underWayCount = 0;
    return aroundCalls<Platform>(this.#faulty, (_, __, call) => {
      const result = call();
      if (!(result instanceof Promise)) return result;
      this.#underWayCount += 1;
      return result.finally(() => {
        this.#underWayCount -= 1;
      });
    });
  }

  #beforeCall(): void {
    this.callCount += 1;
    if (this.#planned?.call === this.callCount) this.#faulty.add(this.#planned.rule);
    const bomb = this.#bomb;
    if (bomb === undefined) return;
    bomb.callsLeft -= 1;
    if (bomb.callsLeft <= 0) this.crash(bomb.keep, bomb.chance);
  }
}

/** A root that nobody may write to has not been written to either: the store goes on where it cannot sync it. */
function sparingTheRoot(rule: FaultRule): FaultRule {
  const isRefusal = rule.fault.kind === 'error' && refusals.has(rule.fault.code);
  return isRefusal && rule.path === undefined ? { ...rule, path: /^\/./ } : rule;
}

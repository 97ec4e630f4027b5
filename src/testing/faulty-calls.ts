import type { Clock } from '../platform/platform.js';
import { systemError } from '../platform/system-error.js';
import { CallLog, failureText } from './call-log.js';
import { type Fault, FaultRules } from './fault-rules.js';
import type { SeededRandom } from './seeded-random.js';
import type { PlatformCall } from './with-faults.js';

type Op = PlatformCall['op'];

/** Counts the calls of one faulty platform, decides about each, and tells of it. */
export class FaultyCalls {
  readonly rules: FaultRules;
  readonly random: SeededRandom;
  readonly #clock: Clock;
  readonly #log: CallLog;
  readonly #before: ((call: PlatformCall) => void) | undefined;
  #count = 0;

  constructor(
    random: SeededRandom,
    clock: Clock,
    onCall: ((line: string) => void) | undefined,
    before: ((call: PlatformCall) => void) | undefined,
  ) {
    this.random = random;
    this.rules = new FaultRules(random);
    this.#clock = clock;
    this.#log = new CallLog(onCall);
    this.#before = before;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether anybody is told; texts are not made for nobody. */
  get isTold(): boolean {
    return this.#log.isOn;
  }

  now<T>(op: Op, path: string, details: string, act: (fault: Fault | undefined) => T, shown?: (result: T) => string): T {
    this.#count += 1;
    const number = this.#count;
    this.#before?.({ op, path, number });
    try {
      const fault = this.rules.decide(op, path);
      // An open or a lock that fails has opened and locked nothing, whatever a rule says.
      if (fault?.kind === 'error' && (fault.done !== true || op !== 'writeSync')) throw systemError(fault.code, op, path);
      const result = act(fault);
      if (fault?.kind === 'error') throw systemError(fault.code, op, path);
      if (this.#log.isOn) this.#log.tell(`${number} ${op} ${path}${details}${shownResult(result, shown)}`);
      return result;
    } catch (error) {
      if (this.#log.isOn) this.#log.tell(`${number} ${op} ${path}${details} ${failureText(error)}`);
      throw error;
    }
  }

  /** A failure is told in a later turn, as the machine's are: whoever is fast has issued more by then. */
  async later<T>(
    op: Op,
    path: string,
    details: string,
    act: (fault: Fault | undefined) => Promise<T>,
    shown?: (result: T) => string,
  ): Promise<T> {
    this.#count += 1;
    const number = this.#count;
    this.#before?.({ op, path, number });
    if (this.#log.isOn) this.#log.tell(`${number} ${op} ${path}${details}`);
    try {
      const fault = this.rules.decide(op, path);
      const result = fault === undefined ? await act(fault) : await this.#struck(op, path, fault, act);
      if (this.#log.isOn) this.#log.tell(`${number}${shownResult(result, shown)}`);
      return result;
    } catch (error) {
      if (this.#log.isOn) this.#log.tell(`${number} ${failureText(error)}`);
      throw error;
    }
  }

  async #struck<T>(op: Op, path: string, fault: Fault, act: (fault: Fault | undefined) => Promise<T>): Promise<T> {
    if (fault.kind === 'delay') return await this.#delayed(op, fault.ms, act);
    // A close that fails has closed the descriptor, as the kernel does it.
    if (fault.kind === 'error' && fault.done !== true && op !== 'close') {
      await this.turn();
      throw systemError(fault.code, op, path);
    }
    const result = await act(fault);
    if (fault.kind === 'error') throw systemError(fault.code, op, path);
    return result;
  }

  /** A slow sync covers what was there when it was issued; anything else takes effect late. */
  async #delayed<T>(op: Op, ms: number, act: (fault: Fault | undefined) => Promise<T>): Promise<T> {
    if (op !== 'sync' && op !== 'syncDirectory') {
      await this.#pause(ms);
      return await act(undefined);
    }
    const [result] = await Promise.all([act(undefined), this.#pause(ms)]);
    return result;
  }

  async turn(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#clock.nextTurn(resolve);
    });
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#clock.schedule(ms, resolve, true);
    });
  }
}

function shownResult<T>(result: T, shown: ((result: T) => string) | undefined): string {
  return shown === undefined ? ' =' : ` = ${shown(result)}`;
}

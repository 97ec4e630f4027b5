import type { Clock } from '../platform/platform.js';
import { systemError } from '../platform/system-error.js';
import { CallLog, failureText } from './call-log.js';
import { type Fault, FaultRules } from './fault-rules.js';
import type { SeededRandom } from './seeded-random.js';
import type { PlatformCall } from './with-faults.js';

type Op = PlatformCall['op'];

/** What of a call is told beside its name; asked for only if somebody listens. */
export interface CallTexts<T> {
  readonly details?: (() => string) | undefined;
  readonly shown?: ((result: T) => string) | undefined;
}

/** Counts the calls of one faulty platform, decides about each, and tells of it. */
export class FaultyCalls {
  readonly rules: FaultRules;
  readonly random: SeededRandom;
  readonly #clock: Clock;
  readonly #log: CallLog;
  #count = 0;

  constructor(random: SeededRandom, clock: Clock, onCall: ((line: string) => void) | undefined) {
    this.random = random;
    this.rules = new FaultRules(random);
    this.#clock = clock;
    this.#log = new CallLog(onCall);
  }

  get count(): number {
    return this.#count;
  }

  now<T>(op: Op, path: string, act: (fault: Fault | undefined) => T, texts: CallTexts<T> = {}): T {
    this.#count += 1;
    const begun = this.#log.isOn ? `${this.#count} ${op} ${path}${texts.details?.() ?? ''}` : '';
    try {
      const fault = this.rules.decide(op, path);
      // An open or a lock that fails has opened and locked nothing, whatever a rule says.
      if (fault?.kind === 'error' && (fault.done !== true || op !== 'writeSync')) throw systemError(fault.code, op, path);
      const result = act(fault);
      if (fault?.kind === 'error') throw systemError(fault.code, op, path);
      if (this.#log.isOn) this.#log.tell(`${begun}${shownResult(result, texts)}`);
      return result;
    } catch (error) {
      if (this.#log.isOn) this.#log.tell(`${begun} ${failureText(error)}`);
      throw error;
    }
  }

  /** A failure is told in a later turn, as the machine's are: whoever is fast has issued more by then. */
  async later<T>(op: Op, path: string, act: (fault: Fault | undefined) => Promise<T>, texts: CallTexts<T> = {}): Promise<T> {
    this.#count += 1;
    const number = this.#count;
    if (this.#log.isOn) this.#log.tell(`${number} ${op} ${path}${texts.details?.() ?? ''}`);
    try {
      const fault = this.rules.decide(op, path);
      const result = await this.#struck(op, path, fault, act);
      if (this.#log.isOn) this.#log.tell(`${number}${shownResult(result, texts)}`);
      return result;
    } catch (error) {
      if (this.#log.isOn) this.#log.tell(`${number} ${failureText(error)}`);
      throw error;
    }
  }

  async #struck<T>(op: Op, path: string, fault: Fault | undefined, act: (fault: Fault | undefined) => Promise<T>): Promise<T> {
    if (fault === undefined) return await act(fault);
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

function shownResult<T>(result: T, texts: CallTexts<T>): string {
  return ` =${texts.shown === undefined ? '' : ` ${texts.shown(result)}`}`;
}

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

/** A message as the stock client or a stock tool has read it. */
export interface SeenMessage {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly recordBytes: number;
  readonly bornAt: number;
  readonly storedAt: number;
  /** `address|port` */
  readonly bornHost: string;
  readonly storeHost: string;
  readonly flag: number;
  readonly sysFlag: number;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  readonly bodyBytes: number;
  /** SHA-256, hex; of the body as the client gives it, so inflated if it was compressed. */
  readonly bodyHash: string;
  readonly properties: Readonly<Record<string, string>>;
}
/** A message for the stock producer to send. */
export interface SentMessage {
  readonly topic: string;
  readonly queueId?: number;
  readonly body: Uint8Array;
  readonly tag?: string;
  /** Joined by spaces. */
  readonly keys?: string;
  readonly flag?: number;
  readonly delayLevel?: number;
  readonly deliverAt?: number;
  readonly properties?: Readonly<Record<string, string>>;
}
export interface SentReceipt {
  readonly uniqueKey: string;
  readonly messageId: string;
  readonly queueId: number;
  readonly queueOffset: number;
}
export interface ConsumeCall {
  readonly topic: string;
  readonly group: string;
  readonly count: number;
  readonly timeoutMs: number;
  readonly quietMs?: number;
  readonly orderly?: boolean;
  readonly failTimes?: number;
  readonly retryMax?: number;
}

interface Waiter {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The Java program of `java/Driver.java`: the stock client, the stock tools and the name server in one process. */
export class Driver {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #waiting: Waiter[] = [];
  readonly #ended: Promise<void>;
  #end: Error | undefined;
  #complaints = '';

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    this.#lines.on('line', (line) => this.#answered(line));
    child.stderr.on('data', (bytes: Buffer) => {
      this.#complaints = (this.#complaints + bytes.toString()).slice(-4_000);
    });
    // Writing to one that has ended: the exit says so, too.
    child.stdin.on('error', () => undefined);
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#end = new Error(`the driver has ended (${code ?? signal}): ${this.#complaints}`);
        for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#end);
        resolve();
      });
    });
  }

  static async start(java: {
    readonly command: readonly string[];
    readonly environment: NodeJS.ProcessEnv;
    readonly port: number;
  }): Promise<Driver> {
    const [program = 'java', ...parameters] = java.command;
    const child = spawn(program, [...parameters, 'Driver', String(java.port)], { env: java.environment, stdio: 'pipe' });
    const driver = new Driver(child);
    await driver.#answer();
    return driver;
  }

  #answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  #answered(line: string): void {
    const answer = JSON.parse(line) as { readonly value?: unknown; readonly error?: string };
    const waiter = this.#waiting.shift();
    if (answer.error === undefined) waiter?.resolve(answer.value);
    else waiter?.reject(new Error(`the driver says: ${answer.error}`));
  }

  async call<Value>(call: string, parameters: object = {}): Promise<Value> {
    if (this.#end !== undefined) throw this.#end;
    const answer = this.#answer();
    this.#child.stdin.write(`${JSON.stringify({ call, ...parameters })}\n`);
    return (await answer) as Value;
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await this.#ended;
    clearTimeout(timer);
  }
}

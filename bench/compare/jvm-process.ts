import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Column } from './columns.js';
import type { CompareRound, RoundLimits } from './compare-round.js';
import type { JvmPeer } from './jvm-class-path.js';

export interface JvmWay {
  readonly name: string;
  readonly folder: JvmPeer['folder'];
  readonly className: string;
  readonly way: 'default' | 'tuned';
  readonly how: string;
}

export const jvmWays: readonly JvmWay[] = [
  {
    name: 'RocketMQ store',
    folder: 'rocketmq',
    className: 'RocketMq',
    way: 'default',
    how: 'Apache RocketMQ’s DefaultMessageStore in a Java process, default settings; a thread for each caller; batches as it knows them, each for one queue. Its rate is that of the calls; queues and index follow later',
  },
  {
    name: 'RocketMQ store, tuned',
    folder: 'rocketmq',
    className: 'RocketMq',
    way: 'tuned',
    how: 'the same with a spin lock, queues built by several threads, and larger reads',
  },
  {
    name: 'Chronicle Queue',
    folder: 'chronicle',
    className: 'Chronicle',
    way: 'default',
    how: 'default settings, in a Java process; it has no topics, no keys and no flush on demand, and takes part where none is asked for',
  },
];

/** What these libraries reach into; a Java of today refuses it unless told. */
const opened = ['java.lang', 'java.lang.reflect', 'java.util', 'java.io', 'java.nio', 'sun.nio.ch'].map(
  (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
);
const exported = ['jdk.internal.ref', 'jdk.internal.misc', 'sun.nio.ch'].map((name) => `--add-exports=java.base/${name}=ALL-UNNAMED`);
const javaOptions: readonly string[] = [
  ...opened,
  ...exported,
  '--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED',
  '--add-opens=jdk.compiler/com.sun.tools.javac=ALL-UNNAMED',
  '-Xms1g',
  '-Xmx2g',
  '-Drocketmq.logback.configurationFile=none',
  '-Dchronicle.analytics.disable=true',
];

/** One Java process for all rounds of one way: it stays warm between them. */
export class JvmProcess {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #errors = '';

  constructor(peer: JvmPeer, way: JvmWay, warmUpSeconds: number, home: string) {
    const words = [...javaOptions, `-Duser.home=${home}`, '-cp', peer.classPath, 'Compare', way.className, way.way, String(warmUpSeconds)];
    this.#child = spawn('java', words, { stdio: ['pipe', 'pipe', 'pipe'], cwd: home });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#errors = (this.#errors + text).slice(-4_000)));
    this.#child.once('error', (error) => (this.#errors += error.message));
    process.once('exit', () => this.#child.kill('SIGKILL'));
    this.#answers = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  async round(column: Column, directory: string, limits: RoundLimits): Promise<CompareRound> {
    const { durability, batch, callers, bodyBytes, keyed, finds } = column;
    const words = [durability, batch, callers, bodyBytes, keyed, finds, limits.count, limits.secondsMax, directory];
    this.#child.stdin?.write(`${words.join('\t')}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`the Java process has ended\n${this.#errors.trim()}`);
    const answer = JSON.parse(value) as CompareRound & { readonly failure?: string };
    if (answer.failure !== undefined) throw new Error(`${answer.failure}\n${this.#errors.trim()}`);
    return answer;
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

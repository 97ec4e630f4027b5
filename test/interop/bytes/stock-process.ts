import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Dialect, javaReady } from '../maven/class-path.js';

/** Small and quick to start; and 4.9 was made for a Java that let it unmap files by itself. */
const flags: readonly string[] = [
  ...['-Xms64m', '-Xmx400m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
  ...['java.nio', 'sun.nio.ch', 'jdk.internal.ref'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
];

/** A Java program of ours around stock classes: one JSON object a line in, one a line out, in order. */
export class StockProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;
  readonly #exited: Promise<void>;
  #complaints = '';

  constructor(classPath: string, mainClass: string, home: string) {
    mkdirSync(home, { recursive: true });
    // Their logs and whatever else they keep in the home folder belong to this run.
    const properties = [`-Duser.home=${home}`, `-Drocketmq.home.dir=${home}`];
    this.#child = spawn('java', [...flags, ...properties, '-cp', classPath, mainClass], { cwd: home });
    this.#child.stderr.on('data', (text: Buffer) => {
      this.#complaints = (this.#complaints + text.toString('utf8')).slice(-8_000);
    });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
    });
  }

  /** Rejects with what the program said of an error. */
  async call<T>(request: Readonly<Record<string, unknown>>): Promise<T> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const line = await this.#answers.next();
    if (line.done === true) throw new Error(`the program ended at ${String(request['do'])}:\n${this.#complaints}`);
    const answer = JSON.parse(line.value) as T & { readonly error?: string };
    if (answer.error !== undefined) throw new Error(`${String(request['do'])}: ${answer.error}\n${this.#complaints}`);
    return answer;
  }

  /** In an orderly way: the store closes itself. */
  async close(): Promise<void> {
    await this.call({ do: 'close' });
    await this.#exited;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}

export interface CompiledStock {
  readonly classPath: string;
  /** Of RocketMQ. */
  readonly version: string;
  remove(): void;
}

/** Compiles the programs in the given folders for `dialect`. Throws where Java is missing. */
export async function compileStock(dialect: Dialect, folders: readonly string[]): Promise<CompiledStock> {
  const java = await javaReady(dialect);
  if (!java.ready) throw new Error(java.why);
  const classes = mkdtempSync(join(tmpdir(), 'stratalog-stock-'));
  const sources = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.java'))
      .map((name) => join(folder, name)),
  );
  execFileSync('javac', ['-nowarn', '-proc:none', '-d', classes, '-cp', java.classPath, ...sources], { stdio: 'pipe' });
  return {
    classPath: [classes, java.classPath].join(delimiter),
    version: java.version,
    remove: () => rmSync(classes, { recursive: true, force: true }),
  };
}

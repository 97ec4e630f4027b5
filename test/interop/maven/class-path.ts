import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/**
 * What is needed to run stock Apache RocketMQ: `java`, and a class path of its official artefacts and of our own small Java programs
 * compiled against them. Resolved by Maven once, then kept in `node_modules/.cache`, under a name that changes with the
 * pom, the Java sources and the Java version.
 */
export type Dialect = 'v5' | 'v4';
export type Java =
  | { readonly ready: true; readonly version: string; readonly classPath: string }
  /** Why the tests that need it are left out, as one sentence for their names. */
  | { readonly ready: false; readonly why: string };

const run = promisify(execFile);
const here: string = import.meta.dirname;
const sourceDirectory: string = join(here, '..', 'java');
const cacheRoot: string = join(here, '..', '..', '..', 'node_modules', '.cache', 'stratalog-interop');
const mavenTimeoutMs = 300_000;

const answers = new Map<Dialect, Promise<Java>>();

/** Asked once a process and dialect; never rejects. */
export function javaReady(dialect: Dialect): Promise<Java> {
  let answer = answers.get(dialect);
  if (answer === undefined) {
    answer = find(dialect).catch((error: unknown): Java => ({ ready: false, why: firstLine(error) }));
    answers.set(dialect, answer);
  }
  return answer;
}

async function find(dialect: Dialect): Promise<Java> {
  const pom = readFileSync(join(here, dialect, 'pom.xml'), 'utf8');
  const version = /<rocketmq\.version>([^<]+)</.exec(pom)?.[1] ?? 'unknown';
  const runtime = await outputOf('java', ['-version']);
  if (runtime === undefined) return { ready: false, why: 'there is no Java on this machine' };
  if ((await outputOf('javac', ['-version'])) === undefined)
    return { ready: false, why: 'there is a Java runtime, but no compiler (javac)' };

  const sources = readdirSync(sourceDirectory)
    .filter((name) => name.endsWith('.java'))
    .sort();
  const digest = createHash('sha256').update(pom).update(runtime);
  for (const name of sources) digest.update(name).update(readFileSync(join(sourceDirectory, name)));
  const home = join(cacheRoot, `${dialect}-${digest.digest('hex').slice(0, 16)}`);

  const kept = keptClassPath(home);
  if (kept !== undefined) return { ready: true, version, classPath: kept };
  if ((await outputOf('mvn', ['-version'])) === undefined) return { ready: false, why: 'there is no Maven on this machine' };
  await make(dialect, home, sources);
  const made = keptClassPath(home);
  return made === undefined ? { ready: false, why: 'Maven has resolved nothing' } : { ready: true, version, classPath: made };
}

/** The class path in `home`, if all that it names is still there. */
function keptClassPath(home: string): string | undefined {
  const list = join(home, 'class-path.txt');
  if (!existsSync(list)) return undefined;
  const jars = readFileSync(list, 'utf8').trim().split(delimiter);
  return jars.every((jar) => existsSync(jar)) ? [join(home, 'classes'), ...jars].join(delimiter) : undefined;
}

/** Into a folder of its own, then renamed in: two test files that ask at the same time do not see each other's half. */
async function make(dialect: Dialect, home: string, sources: readonly string[]): Promise<void> {
  mkdirSync(cacheRoot, { recursive: true });
  const growing = mkdtempSync(join(cacheRoot, 'growing-'));
  try {
    const list = join(growing, 'class-path.txt');
    await resolve(join(here, dialect, 'pom.xml'), list);
    const classes = join(growing, 'classes');
    mkdirSync(classes);
    if (sources.length > 0) {
      const paths = sources.map((name) => join(sourceDirectory, name));
      await run('javac', ['-nowarn', '-proc:none', '-d', classes, '-cp', readFileSync(list, 'utf8').trim(), ...paths], {
        timeout: mavenTimeoutMs,
      });
    }
    rmSync(home, { recursive: true, force: true });
    renameSync(growing, home);
  } catch (error) {
    rmSync(growing, { recursive: true, force: true });
    if (keptClassPath(home) === undefined) throw error;
  }
}

/** From what Maven has already, else with the network. */
async function resolve(pom: string, list: string): Promise<void> {
  const call = ['-B', '-q', '-f', pom, 'dependency:build-classpath', `-Dmdep.outputFile=${list}`];
  try {
    await run('mvn', ['-o', ...call], { timeout: mavenTimeoutMs });
  } catch {
    await run('mvn', call, { timeout: mavenTimeoutMs, maxBuffer: 16 * 1024 * 1024 });
  }
}

/** What a command prints; `undefined` if it cannot be run. */
async function outputOf(command: string, parameters: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await run(command, [...parameters]);
    return stdout + stderr;
  } catch {
    return undefined;
  }
}

function firstLine(error: unknown): string {
  const told = error as { readonly stdout?: string; readonly stderr?: string; readonly message?: string };
  const lines = `${told.stdout ?? ''}\n${told.stderr ?? ''}\n${told.message ?? String(error)}`.split('\n').map((line) => line.trim());
  return (
    lines.find((line) => line.includes('ERROR') || line.includes('error')) ??
    lines.find((line) => line !== '') ??
    'for a reason it does not tell'
  );
}

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

  const jars = await jarsOf(dialect, pom);
  if (jars === undefined) return { ready: false, why: 'there is no Maven on this machine' };
  const classes = await compiled(dialect, runtime, jars);
  return { ready: true, version, classPath: [classes, jars].join(delimiter) };
}

/** The artefacts' class path, from Maven once for each pom; `undefined`: no Maven, and nothing kept. */
async function jarsOf(dialect: Dialect, pom: string): Promise<string | undefined> {
  const list = join(cacheRoot, `${dialect}-${digestOf(pom)}.class-path`);
  if (existsSync(list)) {
    const kept = readFileSync(list, 'utf8').trim();
    if (kept.split(delimiter).every((jar) => existsSync(jar))) return kept;
  }
  if ((await outputOf('mvn', ['-version'])) === undefined) return undefined;
  mkdirSync(cacheRoot, { recursive: true });
  const growing = mkdtempSync(join(cacheRoot, 'growing-'));
  try {
    await resolve(join(here, dialect, 'pom.xml'), join(growing, 'list'));
    renameSync(join(growing, 'list'), list);
  } finally {
    rmSync(growing, { recursive: true, force: true });
  }
  return readFileSync(list, 'utf8').trim();
}

/** The folder of our own classes. Made under another name and renamed: two test files that ask at the same time do not see each other's half. */
async function compiled(dialect: Dialect, runtime: string, jars: string): Promise<string> {
  const names = readdirSync(sourceDirectory).filter((name) => name.endsWith('.java'));
  const paths = names.sort().map((name) => join(sourceDirectory, name));
  const classes = join(cacheRoot, `${dialect}-${digestOf(runtime, jars, ...paths, ...paths.map((path) => readFileSync(path, 'utf8')))}`);
  if (existsSync(classes)) return classes;
  const growing = mkdtempSync(join(cacheRoot, 'growing-'));
  try {
    await run('javac', ['-nowarn', '-proc:none', '-d', growing, '-cp', jars, ...paths], { timeout: mavenTimeoutMs });
    renameSync(growing, classes);
  } catch (error) {
    rmSync(growing, { recursive: true, force: true });
    // Another one has been faster.
    if (!existsSync(classes)) throw error;
  }
  return classes;
}

function digestOf(...texts: readonly string[]): string {
  const digest = createHash('sha256');
  for (const text of texts) digest.update(`${text.length}:`).update(text);
  return digest.digest('hex').slice(0, 16);
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

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { benchData, repositoryRoot } from '../common/repository.js';

/** A peer on the Java virtual machine: its artefacts as Maven resolves them and the small program that drives it, compiled against them. */
export interface JvmPeer {
  readonly folder: 'rocketmq' | 'chronicle';
  readonly version: string;
  readonly classPath: string;
}

const run = promisify(execFile);
const sources: string = join(repositoryRoot, 'bench', 'compare', 'java');
const callMaxMs = 300_000;

/** Resolved and compiled once, then kept in `data/run-bench/` under a name that changes with pom, sources and Java. Throws why not. */
export async function jvmPeer(folder: JvmPeer['folder']): Promise<JvmPeer> {
  const pomPath = join(sources, folder, 'pom.xml');
  const pom = readFileSync(pomPath, 'utf8');
  const version = /<peer\.version>([^<]+)</.exec(pom)?.[1] ?? 'unknown';
  const files = ['common', folder].flatMap((part) => javaFiles(join(sources, part)));
  const digest = createHash('sha256').update(pom);
  digest.update(await outputOf('java', ['-version'], 'there is no Java on this machine'));
  for (const file of files) digest.update(file.slice(sources.length)).update(readFileSync(file));
  const home = join(benchData, 'java', `${folder}-${digest.digest('hex').slice(0, 16)}`);
  const kept = keptClassPath(home);
  if (kept !== undefined) return { folder, version, classPath: kept };
  await outputOf('javac', ['-version'], 'there is no Java compiler on this machine');
  await outputOf('mvn', ['-version'], 'there is no Maven on this machine');
  await make(home, pomPath, files);
  const made = keptClassPath(home);
  if (made === undefined) throw new Error('Maven has resolved nothing');
  return { folder, version, classPath: made };
}

function javaFiles(folder: string): readonly string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.java'));
  return names.sort().map((name) => join(folder, name));
}

function keptClassPath(home: string): string | undefined {
  const list = join(home, 'class-path.txt');
  if (!existsSync(list)) return undefined;
  const jars = readFileSync(list, 'utf8').trim().split(delimiter);
  return jars.every((jar) => existsSync(jar)) ? [join(home, 'classes'), ...jars].join(delimiter) : undefined;
}

/** In a folder of its own, then renamed in, so that nobody sees half of it. */
async function make(home: string, pomPath: string, files: readonly string[]): Promise<void> {
  mkdirSync(join(benchData, 'java'), { recursive: true });
  const growing = mkdtempSync(join(benchData, 'java', 'growing-'));
  try {
    const list = join(growing, 'class-path.txt');
    const call = ['-B', '-q', '-f', pomPath, 'dependency:build-classpath', `-Dmdep.outputFile=${list}`];
    await run('mvn', ['-o', ...call], { timeout: callMaxMs }).catch(() => outputOf('mvn', call, 'Maven cannot resolve it'));
    const classes = join(growing, 'classes');
    mkdirSync(classes);
    const compile = ['-nowarn', '-proc:none', '-d', classes, '-cp', readFileSync(list, 'utf8').trim(), ...files];
    await outputOf('javac', compile, 'its driver does not compile');
    renameSync(growing, home);
  } finally {
    rmSync(growing, { recursive: true, force: true });
  }
}

/** What a command prints; its own error repeats the call, which is as long as a class path, so only the line that tells is kept. */
async function outputOf(command: string, words: readonly string[], otherwise: string): Promise<string> {
  const said = (told: { readonly stdout?: string; readonly stderr?: string }): string => `${told.stdout ?? ''}\n${told.stderr ?? ''}`;
  const ended = run(command, [...words], { timeout: callMaxMs, maxBuffer: 16 * 1024 ** 2 });
  const { good, text } = await ended.then(
    (told) => ({ good: true, text: said(told) }),
    (error: unknown) => ({ good: false, text: said(error as { readonly stdout?: string; readonly stderr?: string }) }),
  );
  if (good) return text;
  const line = text.split('\n').find((each) => /error/i.test(each));
  throw new Error(line === undefined ? otherwise : `${otherwise}: ${line.trim().slice(0, 300)}`);
}

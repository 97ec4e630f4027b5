import { readEnvironment } from './environment.js';
import { makeLoadDirectory } from './load-directory.js';

/** What every load program has in common: options, environment and result as JSON on the standard output. */
export interface LoadProgram<Options, Result extends object> {
  readonly name: string;
  readonly options: Options & { readonly directory?: string | undefined };
  /** In a fresh folder that is deleted at the end, whatever happens. A rejection ends the program with an exit code that is not 0. */
  readonly work: (directory: string, options: Options) => Promise<Result>;
  /** A few lines for people, on the error output. */
  readonly describe: (result: Result) => readonly string[];
}

export const directoryHelp = 'must be empty or not there; deleted at the end (default: a fresh one in data/run-bench)';

export async function runLoadProgram<Options extends object, Result extends object>(program: LoadProgram<Options, Result>): Promise<void> {
  const { directory: asked, ...options } = program.options;
  const { directory, remove } = makeLoadDirectory(asked);
  try {
    const environment = readEnvironment(directory);
    const result = await program.work(directory, options as unknown as Options);
    console.log(JSON.stringify({ program: program.name, options, environment, ...result }, null, 2));
    for (const line of program.describe(result)) console.error(line);
  } finally {
    await remove();
  }
}

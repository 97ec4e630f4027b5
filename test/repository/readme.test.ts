import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readJson, readKept, repositoryRoot } from './repository-files.js';

interface Example {
  readonly name: string;
  readonly source: string;
}

/** The fences of `ts` that follow a line `<!-- example: name -->`. */
function examples(page: string): readonly Example[] {
  const found = page.matchAll(/^<!-- example: ([\w-]+) -->\n```ts\n(.*?)^```$/gms);
  return [...found].map(([, name = '', source = '']) => ({ name, source }));
}

const found = examples(readKept('README.md'));
/** A project beside the repository, with the sources in the place of the installed package. */
let project: string;

function run(script: readonly string[], cwd = project): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...script], { cwd, encoding: 'utf8', timeout: 25_000 });
  return { status, output: `${stdout}${stderr}` };
}

function typecheck(): ReturnType<typeof run> {
  const program = (readJson('node_modules/typescript/package.json')['bin'] as Record<string, string>)['tsc'];
  return run([join(repositoryRoot, 'node_modules', 'typescript', String(program)), '-p', join(project, 'tsconfig.json')]);
}

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'stratalog-readme-'));
  const { exports } = readJson('package.json') as { exports: Record<string, unknown> };
  const sources = JSON.parse(
    JSON.stringify(exports).replaceAll('./dist/', './src/').replaceAll('.d.ts"', '.ts"').replaceAll('.js"', '.ts"'),
  ) as unknown;
  const installed = join(project, 'node_modules', 'stratalog');
  mkdirSync(installed, { recursive: true });
  cpSync(join(repositoryRoot, 'src'), join(installed, 'src'), { recursive: true });
  writeFileSync(join(installed, 'package.json'), JSON.stringify({ name: 'stratalog', version: '0.0.0', type: 'module', exports: sources }));
  symlinkSync(join(repositoryRoot, 'node_modules'), join(installed, 'node_modules'), 'junction');
  symlinkSync(join(repositoryRoot, 'node_modules', '@types'), join(project, 'node_modules', '@types'), 'junction');
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'example', type: 'module' }));
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        target: 'es2023',
        lib: ['es2023', 'esnext.disposable'],
        module: 'nodenext',
        types: ['node'],
        skipLibCheck: true,
      },
      include: ['*.ts'],
    }),
  );
  for (const { name, source } of found) writeFileSync(join(project, `${name}.ts`), source);
});
afterAll(() => {
  rmSync(project, { recursive: true, force: true });
});

describe('examples of the README', () => {
  it('there is one', () => {
    expect(found.map((example) => example.name)).toContain('quick-start');
  });

  it('they are correct TypeScript against the public types', () => {
    expect(typecheck()).toEqual({ status: 0, output: '' });
  });

  it('control: an example that calls what is not there is refused', () => {
    const wrong = join(project, 'wrong.ts');
    writeFileSync(wrong, "import { openShop } from 'stratalog';\nawait openShop();\n");
    expect(typecheck().output).toContain('openShop');
    rmSync(wrong);
  });

  it.each(found)('$name runs to its end', ({ name }) => {
    const loader = pathToFileURL(join(repositoryRoot, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href;
    const directory = join(project, `run-${name}`);
    mkdirSync(directory);
    expect(run(['--import', loader, join(project, `${name}.ts`)], directory)).toMatchObject({ status: 0 });
  });
});

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { benches, wholeEngine } from './benches.js';
import { engineHash } from './engine-hash.js';
import { enginesPath, type PageEngines, readEngines, readPageInputs } from './page/page-inputs.js';
import { renderPage } from './page/render-page.js';
import { commitName, repositoryRoot } from './tree-copy.js';

const pagePath = join(repositoryRoot, 'RELIABILITY.md');

/** `npm run reliability`: writes the page, for the engine as it is now. `--check`: fails if the page is not what the files give. */
function enginesNow(): PageEngines {
  return {
    commit: commitName('files') ?? 'unknown',
    at: new Date().toISOString(),
    engines: Object.fromEntries(benches.map((spec) => [spec.name, engineHash(repositoryRoot, spec.covers)])),
    whole: engineHash(repositoryRoot, wholeEngine),
  };
}

function check(isFresh: boolean): number {
  if (readFileSync(pagePath, 'utf8') !== renderPage(readPageInputs())) {
    console.error('RELIABILITY.md is not what data/reliability gives: npm run reliability');
    return 1;
  }
  if (isFresh && readEngines().whole !== enginesNow().whole) {
    console.error('the engine has changed since RELIABILITY.md was generated: npm run campaign, npm run controls, npm run reliability');
    return 1;
  }
  return 0;
}

function generate(): number {
  mkdirSync(dirname(enginesPath), { recursive: true });
  writeFileSync(enginesPath, `${JSON.stringify(enginesNow(), null, 2)}\n`);
  writeFileSync(pagePath, renderPage(readPageInputs()));
  return 0;
}

process.exitCode = process.argv.includes('--check') ? check(process.argv.includes('--fresh')) : generate();

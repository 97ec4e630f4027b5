import { controlsSection } from './controls-section.js';
import { introduction, notTested, promises } from './fixed-text.js';
import type { FoundBug, PageInputs } from './page-inputs.js';
import { runsSection } from './runs-section.js';

function bugsSection(bugs: readonly FoundBug[]): string {
  const rows = bugs.map(({ bench, what, commit, test }) => `| ${bench} | ${what} | ${commit} | \`${test}\` |`);
  const table = `| Found by | What was wrong | Fixed in | Test |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  return `## Bugs found and fixed\n\n${rows.length === 0 ? 'None yet.\n' : table}`;
}

/** RELIABILITY.md, whole. */
export function renderPage(inputs: PageInputs): string {
  return [introduction, promises, runsSection(inputs), controlsSection(inputs), bugsSection(inputs.bugs), notTested].join('\n');
}

import { allControls, notBuilt } from '../../controls/all-controls.js';
import type { Control } from '../../controls/control.js';
import type { KeptOutcome } from '../../controls/controls-record.js';
import { benches } from '../benches.js';
import type { PageInputs } from './page-inputs.js';
import { withCommas } from './runs-section.js';

/** What counts: the same bench was green on the unbroken engine in the same run. */
function counting(outcomes: readonly KeptOutcome[]): readonly KeptOutcome[] {
  return outcomes.filter((outcome) => outcome.greenCount !== undefined);
}

function unitOf(bench: string): string {
  return benches.find((spec) => spec.name === bench)?.unit ?? '';
}

function row(control: Control, outcomes: readonly KeptOutcome[]): string {
  const own = counting(outcomes).filter((outcome) => outcome.control === control.name);
  const caught = own
    .filter(({ result }) => result === 'caught')
    .map(({ bench, count, durationS }) => `**${bench}** within ${withCommas(count)} ${unitOf(bench)}, ${durationS} s`);
  const missed = own.filter(({ result }) => result === 'not caught').map(({ bench, count }) => `${bench} (${withCommas(count)})`);
  return `| ${control.breaks} | ${control.promise} | ${caught.join('; ') || 'nobody yet'} | ${missed.join(', ')} |`;
}

/** For each bench the controls that it notices and another bench, tried with the same one, does not; and nobody else does. */
function aloneList(outcomes: readonly KeptOutcome[]): string {
  const lines = benches.flatMap(({ name }) => {
    const alone = allControls.flatMap((control) => {
      const own = counting(outcomes).filter((outcome) => outcome.control === control.name);
      const catchers = own.filter(({ result }) => result === 'caught').map(({ bench }) => bench);
      const inVain = own.filter(({ result }) => result === 'not caught').map(({ bench }) => bench);
      if (catchers.length !== 1 || catchers[0] !== name || inVain.length === 0) return [];
      return [`\`${control.name}\` (not by ${inVain.join(', ')})`];
    });
    return alone.length === 0 ? [] : [`- **${name}**: ${alone.join(', ')}`];
  });
  return lines.join('\n');
}

/** Which broken engines were noticed by which bench. */
export function controlsSection({ outcomes }: PageInputs): string {
  const commits = [...new Set(counting(outcomes).map(({ commit }) => commit))].sort();
  const caughtCount = new Set(
    counting(outcomes)
      .filter(({ result }) => result === 'caught')
      .map(({ control }) => control),
  ).size;
  const rows = allControls.map((control) => row(control, outcomes));
  return `## Controls

A bench that finds nothing proves something only if it would find it. So the engine is broken on purpose, in a copy of the sources, by one small
change at a time (\`test/controls/catalog\`), and the bench has to notice. An outcome counts only if the same bench, with at least as many
of the same seeds, is green on the unbroken engine in the same run. Noticed: ${caughtCount} of ${allControls.length}${commits.length === 0 ? '' : ` (commits ${commits.join(', ')})`}. \`npm run controls\` repeats it.

| What is broken | Promise that it breaks | Noticed by | Not noticed by (tries) |
|---|---|---|---|
${rows.join('\n')}

Noticed by one bench, and not by another that was tried with the same control (with as many tries as the table says):

${aloneList(outcomes) || '- none yet'}

Not built, since there is nothing to break:

${notBuilt.map(({ name, why }) => `- ${name}: ${why}`).join('\n')}
`;
}

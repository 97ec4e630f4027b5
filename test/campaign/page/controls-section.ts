import { allControls, notBuilt } from '../../controls/all-controls.js';
import type { Control } from '../../controls/control.js';
import type { KeptOutcome } from '../../controls/controls-record.js';
import { type BenchName, type BenchSpec, benches } from '../benches.js';
import type { PageInputs } from './page-inputs.js';
import { withCommas } from './runs-section.js';

/** What counts: the same bench was green on the unbroken engine in the same run. */
function counting(outcomes: readonly KeptOutcome[]): readonly KeptOutcome[] {
  return outcomes.filter((outcome) => outcome.greenCount !== undefined);
}

function unitOf(bench: string): string {
  const spec = benches.find(({ name }) => name === bench);
  return spec?.controlUnit ?? spec?.unit ?? '';
}

function row(control: Control, outcomes: readonly KeptOutcome[]): string {
  const own = counting(outcomes).filter((outcome) => outcome.control === control.name);
  const caught = own
    .filter(({ result }) => result === 'caught')
    .map(({ bench, count, durationS }) => `**${bench}** within ${withCommas(count)} ${unitOf(bench)}, ${durationS} s`);
  const missed = own.filter(({ result }) => result === 'not caught').map(({ bench, count }) => `${bench} (${withCommas(count)})`);
  return `| ${control.breaks} | ${control.promise} | ${caught.join('; ') || 'nobody yet'} | ${missed.join(', ')} |`;
}

/** Not `tests`: whatever a bench finds becomes one, so they notice nearly everything, and find nothing. */
const finders: readonly BenchSpec[] = benches.filter(({ name }) => name !== 'tests');

/** A control that one bench has noticed, and none of the others that were tried with it. */
interface Alone {
  readonly bench: BenchName;
  readonly control: Control;
  readonly caught: KeptOutcome;
  readonly inVain: readonly KeptOutcome[];
}

function noticedAlone(outcomes: readonly KeptOutcome[]): readonly Alone[] {
  return allControls.flatMap((control) => {
    const own = counting(outcomes).filter(({ control: name, bench }) => name === control.name && bench !== 'tests');
    const [caught, ...others] = own.filter(({ result }) => result === 'caught');
    const inVain = own.filter(({ result }) => result === 'not caught');
    return caught === undefined || others.length > 0 || inVain.length === 0 ? [] : [{ bench: caught.bench, control, caught, inVain }];
  });
}

function tries({ bench, count }: KeptOutcome): string {
  return `${bench} (${withCommas(count)} ${unitOf(bench)})`;
}

function aloneRow({ bench, control, caught, inVain }: Alone): string {
  const tried = new Set<BenchName>([bench, ...inVain.map((outcome) => outcome.bench)]);
  const left = finders.filter(({ name }) => !tried.has(name));
  const isRun = (spec: BenchSpec): boolean => spec.covers.some((path) => control.file === path || control.file.startsWith(`${path}/`));
  const within = `${withCommas(caught.count)} ${unitOf(bench)}`;
  const notRun = left.filter((spec) => !isRun(spec)).map(({ name }) => name);
  const notTried = left.filter(isRun).map(({ name }) => name);
  return `| **${bench}** | \`${control.name}\` | ${within} | ${inVain.map(tries).join(', ')} | ${notRun.join(', ')} | ${notTried.join(', ')} |`;
}

/** For each bench the controls that it alone has noticed, and how hard the others were tried. */
function aloneTable(outcomes: readonly KeptOutcome[]): string {
  const alone = noticedAlone(outcomes);
  const countOf = (bench: BenchName): number => alone.filter((each) => each.bench === bench).length;
  const few = finders.filter(({ name }) => countOf(name) < 2).map(({ name }) => `${name} (${countOf(name)})`);
  const rows = finders.flatMap(({ name }) => alone.filter((each) => each.bench === name).map(aloneRow));
  return `Each bench is to notice at least two controls that no other notices; the tests by name do not count, since whatever a bench finds becomes one. ${few.length === 0 ? 'Each does.' : `Fewer are shown of ${few.join(', ')}.`} A
bench that does not run the file that is broken cannot notice; one that was not tried might.

| Bench | It alone noticed | Within | Tried in vain | Do not run that file | Not tried |
|---|---|---|---|---|---|
${rows.join('\n')}`;
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

### Noticed by one bench alone

${aloneTable(outcomes)}

### Not built

Since there is nothing to break:

${notBuilt.map(({ name, why }) => `- ${name}: ${why}`).join('\n')}
`;
}

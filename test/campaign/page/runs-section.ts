import { benches, type BenchSpec } from '../benches.js';
import { type LedgerEntry, type Total, totalOf } from '../ledger.js';
import type { PageInputs } from './page-inputs.js';

export function withCommas(count: number): string {
  return count.toLocaleString('en-US');
}

function hours(durationS: number): string {
  if (durationS < 90) return `${Math.round(durationS)} s`;
  if (durationS < 5400) return `${Math.round(durationS / 60)} min`;
  return `${(durationS / 3600).toFixed(1)} h`;
}

function seedsText(seeds: Total['seeds']): string {
  return seeds.map(([from, end]) => (end - from === 1 ? withCommas(from) : `${withCommas(from)} to ${withCommas(end - 1)}`)).join(', ');
}

function row(spec: BenchSpec, total: Total): string {
  if (total.runs === 0) return `| **${spec.name}** | ${spec.about} | none yet | | | | |`;
  const share = `${withCommas(total.count)} ${spec.unit} of ${withCommas(spec.goal)} aimed at`;
  const found = total.failures === 0 ? 'none' : withCommas(total.failures);
  const acknowledged = total.acknowledgements === 0 ? '' : withCommas(total.acknowledgements);
  return `| **${spec.name}** | ${spec.about} | ${share} | ${acknowledged} | ${found} | ${seedsText(total.seeds)} | ${hours(total.durationS)} |`;
}

function machines(entries: readonly LedgerEntry[]): string {
  const { kernels, nodes, commits } = totalOf(entries);
  if (entries.length === 0) return 'No run is recorded of the engine as it is now.';
  const perBench = benches.flatMap((spec) => {
    const { fileSystems, runs } = totalOf(entries.filter((entry) => entry.bench === spec.name));
    return runs === 0 ? [] : [`${spec.name} on ${fileSystems.join(' and ')}`];
  });
  return `Kernel ${kernels.join(', ')}; Node.js ${nodes.join(', ')}; commits ${commits.join(', ')}. File systems: ${perBench.join('; ')}.`;
}

function skippedList(entries: readonly LedgerEntry[]): string {
  const { skipped } = totalOf(entries);
  if (skipped.length === 0) return '';
  return `\nLeft out on the machine of these runs:\n\n${skipped.map((what) => `- ${what}`).join('\n')}\n`;
}

function historyTable(inputs: PageInputs, isNow: (entry: LedgerEntry) => boolean): string {
  const older = inputs.ledger.filter((entry) => !isNow(entry));
  if (older.length === 0) return '';
  const groups = new Map<string, LedgerEntry[]>();
  for (const entry of older) {
    const key = `${entry.bench} ${entry.engine}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  const rows = [...groups.values()].map((entries) => {
    const { count, failures, commits, durationS } = totalOf(entries);
    const bench = entries[0]?.bench ?? '';
    const unit = benches.find((spec) => spec.name === bench)?.unit ?? '';
    return `| ${bench} | ${withCommas(count)} ${unit} | ${failures} | ${commits.join(', ')} | ${hours(durationS)} |`;
  });
  return `\n### Earlier engines\n\nRuns over sources that have changed since. They count for nothing above.\n\n| Bench | Count | Runs' findings | Commits | Time |\n|---|---|---|---|---|\n${rows.join('\n')}\n`;
}

/** What was run: of the engine as it is now, then of earlier ones. */
export function runsSection(inputs: PageInputs): string {
  const { engines, commit } = inputs.engines;
  const isNow = (entry: LedgerEntry): boolean => engines[entry.bench] === entry.engine;
  const now = inputs.ledger.filter(isNow);
  const rows = benches.map((spec) => row(spec, totalOf(now.filter((entry) => entry.bench === spec.name))));
  return `## What was run

Counts are of one engine: they begin again whenever a source file that the bench covers changes. This page speaks of the sources of commit
${commit}; \`npm run reliability:check -- --fresh\` says whether they have changed since. \`npm run campaign -- --hours 1\` adds to the counts.

| Bench | What it does | Count | Acknowledged appends looked for | Findings | Seeds | Time |
|---|---|---|---|---|---|---|
${rows.join('\n')}

${machines(now)}
${skippedList(now)}${historyTable(inputs, isNow)}`;
}

import { environmentRows, failureLines, loadSentence, runSentence } from './about-run.js';
import type { Bars, BenchRun, Section, Table } from './figures.js';
import { showFigure } from './show-figure.js';

/** BENCHMARKS.md: nothing in it but what a run found and how to repeat it. */
export function renderBenchmarks(run: BenchRun): string {
  const failures = failureLines(run);
  const parts = [
    '# Benchmarks',
    `${runSentence(run)} ${loadSentence(run)}`,
    'Every figure below was written by `npm run bench:tables` from `bench/last-run.json`, the result of that run; none is typed by hand. The charts are on the page that a run leaves in `data/run-bench/`.',
    ...(failures.length === 0 ? [] : ['Not everything ran:', failures.map((text) => `- ${cell(text)}`).join('\n')]),
    '## How to repeat it',
    [
      '```sh',
      'npm ci',
      'npm run bench              # about ten minutes',
      'npm run bench -- --quick   # two minutes, rough',
      'npm run bench -- --only compare,limits',
      'npm run bench:tables -- --from data/run-bench/latest.json',
      '```',
    ].join('\n'),
    'What is compared with is installed on the first run, apart from the project’s own packages, from `bench/compare/package.json`; what does not install, or needs a Java or Maven that is not there, is left out by name. Leave the machine alone meanwhile.',
    '## The machine',
    table({
      title: '',
      columns: [
        { title: 'what', unit: 'text' },
        { title: 'is', unit: 'text' },
      ],
      rows: environmentRows(run),
    }),
    ...run.sections.map(section),
  ];
  return `${parts.join('\n\n')}\n`;
}

function section({ title, about, commands, bars, tables }: Section): string {
  const drawnAsBars = tables.length === 0 ? bars.map(barsTable) : [];
  const parts = [
    `## ${title}`,
    about.join(' '),
    ...[...drawnAsBars, ...tables].flatMap((each) => [`### ${each.title}`, table(each)]),
    `Again: ${commands.map((text) => `\`${text}\``).join(', ')}`,
  ];
  return parts.join('\n\n');
}

function barsTable({ title, unit, better, bars }: Bars): Table {
  return {
    title,
    columns: [
      { title: 'what', unit: 'text' },
      { title: 'rate', unit, better },
    ],
    rows: bars.map(({ name, value }) => [name, value]),
  };
}

function table({ columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(columns.map(({ title }) => cell(title))),
    line(columns.map(({ unit }) => (unit === 'text' ? '---' : '---:'))),
    ...rows.map((row) => line(row.map((value, at) => cell(showFigure(value, columns[at]?.unit ?? 'text'))))),
  ].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

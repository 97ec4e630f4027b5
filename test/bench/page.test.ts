import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { renderBenchmarks } from '../../bench/page/benchmarks-page.js';
import type { BenchRun } from '../../bench/page/figures.js';
import { chartLibrary, renderPage } from '../../bench/page/page.js';
import { showFigure } from '../../bench/page/show-figure.js';
import { freshPath, repositoryRoot, runProgram } from './run-program.js';
import { sampleRun } from './sample-run.js';

const programMsMax = 60_000;
const installed = existsSync(join(repositoryRoot, 'bench', 'compare', 'node_modules', 'uplot'));
const note = installed ? '' : ' (left out: npm ci in bench/compare installs uPlot)';
const standIn = { script: 'window.uPlot = function () {};', style: '.uplot { color: inherit; }' };

/** What a browser would fetch from elsewhere. Addresses in comments are none. */
function outsideReferences(page: string): readonly string[] {
  const markup = page.replaceAll(/<script>[\s\S]*?<\/script>/g, '').replaceAll(/<script type[\s\S]*?<\/script>/g, '');
  const found = [...markup.matchAll(/\b(?:src|href|srcset|action|data)\s*=\s*["']?(?!#)[^\s"'>]+/gi)].map(([text]) => text);
  const styles = [...markup.matchAll(/@import|url\(\s*["']?(?!data:)[^)]*\)/gi)].map(([text]) => text);
  const scripts = [...page.matchAll(/\b(?:fetch|importScripts|import)\s*\(|XMLHttpRequest|WebSocket|sendBeacon|<link\b/g)].map(
    ([text]) => text,
  );
  return [...found, ...styles, ...scripts];
}

function checkPage(page: string): void {
  expect(outsideReferences(page)).toEqual([]);
  expect(page).toContain("default-src 'none'");
  expect(page.match(/data-chart="/g)).toHaveLength(2);
  for (const text of ['First of all', 'And then', 'Messages in a second', 'Longer and higher is better.', 'Shorter and lower is better.'])
    expect(page).toContain(text);
  expect(page).toContain('1,234,567/s');
  expect(page).toContain('A &lt;processor&gt; &amp; more');
  expect(page).toContain('3 of 4 messages are read');
  const figures = /<script type="application\/json" id="figures">([\s\S]*?)<\/script>/.exec(page)?.[1] ?? '';
  expect(JSON.parse(figures)).toEqual(sampleRun);
}

describe('the page of npm run bench', () => {
  it('holds its charts, its figures and no reference to anything outside it', () => {
    checkPage(renderPage(sampleRun, standIn));
  });

  it.skipIf(!installed)(`is complete with the real drawing library inside${note}`, () => {
    const page = renderPage(sampleRun, chartLibrary());
    checkPage(page);
    expect(page).toContain('uPlot');
    expect(page).toContain('.u-legend');
  });

  it('control: what a browser would fetch is found', () => {
    const page = renderPage(sampleRun, standIn);
    const worse = [
      '<script src="https://example.org/a.js"></script>',
      '<link rel="stylesheet">',
      '<img src=a.png>',
      '<style>@import "a.css"</style>',
      '<style>p { background: url(a.png) }</style>',
      '<script>fetch("/a")</script>',
    ];
    for (const text of worse) expect(outsideReferences(page.replace('</body>', `${text}</body>`))).not.toEqual([]);
  });

  it('its script draws every chart, with all points in their order', () => {
    const drawn: { readonly data: readonly (readonly (number | null)[])[]; readonly series: number }[] = [];
    const places = [0, 1].map((chart) => ({ dataset: { section: '0', chart: String(chart) }, clientWidth: 800, textContent: '' }));
    const draw = function draw(options: { readonly series: readonly unknown[] }, data: (typeof drawn)[number]['data']): void {
      drawn.push({ data, series: options.series.length });
    };
    const root = { dataset: {} as Record<string, string> };
    runInNewContext(readFileSync(join(repositoryRoot, 'bench', 'page', 'client.js'), 'utf8'), {
      document: {
        getElementById: () => ({ textContent: JSON.stringify(sampleRun) }),
        querySelectorAll: (query: string) => (query === '[data-chart]' ? places : drawn),
        body: {},
        documentElement: root,
      },
      getComputedStyle: () => ({ color: 'black' }),
      ResizeObserver: class {
        observe(): void {}
      },
      window: { uPlot: draw },
    });
    expect(drawn.map(({ series }) => series)).toEqual([3, 2]);
    expect(JSON.parse(JSON.stringify(drawn[0]?.data))).toEqual([
      [16, 100],
      [1_234_567, 1_000_000],
      [2_000_000, null],
    ]);
    const shares = drawn[1]?.data[0] ?? [];
    expect(shares.map((share) => Number(share).toFixed(3))).toEqual(['0.301', '2.000', '5.000']);
    expect(root.dataset['drawn']).toBe('2');
  });
});

describe('BENCHMARKS.md', () => {
  it('holds every figure of every table, as it reads, and what failed', () => {
    const text = renderBenchmarks(sampleRun);
    for (const cell of [
      '1,234,567/s',
      '123 MB',
      '1.50 ms',
      '1.26 x',
      'a\\|b',
      '9,877 MB/s',
      '3 of 4 messages are read',
      'npm run bench:limits',
    ])
      expect(text).toContain(cell);
    expect(text).toContain('| nobody | – | – | – | – |');
  });

  it('is what its run makes: no figure in it was typed by hand', () => {
    const run = JSON.parse(readFileSync(join(repositoryRoot, 'bench', 'last-run.json'), 'utf8')) as BenchRun;
    const kept = readFileSync(join(repositoryRoot, 'BENCHMARKS.md'), 'utf8');
    expect(kept).toBe(renderBenchmarks(run));
    const cells = run.sections.flatMap(({ tables }) =>
      tables.flatMap(({ columns, rows }) => rows.flatMap((row) => row.map((value, at) => showFigure(value, columns[at]?.unit ?? 'text')))),
    );
    expect(cells.length).toBeGreaterThan(50);
    const changed = { ...run, durationMs: run.durationMs + 600_000 };
    expect(kept).not.toBe(renderBenchmarks(changed));
  });

  it('is written by its program, which refuses what is no run', { timeout: programMsMax }, async () => {
    const out = freshPath();
    const { exitCode } = await runProgram('run/write-tables.ts', ['--out', out]);
    expect(exitCode).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe(readFileSync(join(repositoryRoot, 'BENCHMARKS.md'), 'utf8'));
    const refused = await runProgram('run/write-tables.ts', ['--from', join(repositoryRoot, 'package.json'), '--out', out]);
    expect(refused.exitCode).not.toBe(0);
    expect(refused.errors).toContain('is not the result of npm run bench');
  });
});

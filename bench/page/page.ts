import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { peerFile } from '../compare/contestants/peer-package.js';
import { repositoryRoot } from '../common/repository.js';
import { environmentRows, failureLines, loadSentence, runSentence } from './about-run.js';
import type { Bars, BenchRun, Better, Chart, Section, Table } from './figures.js';
import { pageStyle } from './page-style.js';
import { showFigure } from './show-figure.js';

/** The drawing library, as text that goes into the page. */
export interface ChartLibrary {
  readonly script: string;
  readonly style: string;
}

/** Throws where the packages of `bench/compare` are not installed. */
export function chartLibrary(): ChartLibrary {
  return { script: peerFile('uplot/dist/uPlot.iife.min.js'), style: peerFile('uplot/dist/uPlot.min.css') };
}

/** One file that needs nothing else, neither beside it nor from the network; its own policy forbids it to ask. */
export function renderPage(run: BenchRun, library: ChartLibrary): string {
  const client = readFileSync(join(repositoryRoot, 'bench', 'page', 'client.js'), 'utf8');
  const policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>stratalog: how fast it is</title>
<style>${library.style}${pageStyle}</style>
</head>
<body>
<h1>How fast is stratalog?</h1>
<p class="soft">${escape(runSentence(run))}</p>
<p>stratalog is a store for messages inside a Node.js program: each message belongs to a queue, and is found again by its place there, by its key and by time.
This page shows how fast it stores and finds them, beside other stores that do the same work and beside what the machine can do at all.
Each chart says whether more or less is better. Everything was measured on one machine, described at the end; on another one the figures are others, the ratios less so.</p>
<p>${escape(loadSentence(run))}</p>
${failures(run)}
<nav>${run.sections.map((section) => `<a href="#${section.name}">${escape(section.title)}</a>`).join('')}<a href="#machine">The machine</a></nav>
${run.sections.map(renderSection).join('\n')}
<h2 id="machine">The machine, and how to repeat it</h2>
<p>All of it again: <code>npm run bench</code> in the repository (about ten minutes; <code>npm run bench -- --quick</code> for two). Only a part: <code>npm run bench -- --only ${escape(run.sections[0]?.name ?? '')}</code>.</p>
${renderTable({
  title: 'Measured on',
  columns: [
    { title: 'what', unit: 'text' },
    { title: 'is', unit: 'text' },
  ],
  rows: environmentRows(run),
})}
<noscript><p class="failed">The charts are drawn by a script, which is switched off here; the tables hold the same figures.</p></noscript>
<script type="application/json" id="figures">${JSON.stringify(run).replaceAll('<', '\\u003c')}</script>
<script>${inScript(library.script)}</script>
<script>${inScript(client)}</script>
</body>
</html>
`;
}

function failures(run: BenchRun): string {
  const lines = failureLines(run);
  return lines.length === 0
    ? ''
    : `<div class="failed"><p>Not everything ran:</p><ul>${lines.map((text) => `<li>${escape(text)}</li>`).join('')}</ul></div>`;
}

function renderSection(section: Section, index: number): string {
  return `<section><h2 id="${section.name}">${escape(section.title)}</h2>
${section.about.map((text) => `<p>${withCode(text)}</p>`).join('\n')}
${section.bars.map(renderBars).join('\n')}
${section.charts.map((chart, at) => renderChart(chart, index, at)).join('\n')}
${section.tables.map(renderTable).join('\n')}
<details><summary>Measure only this again</summary>${section.commands.map((text) => `<p><code>${escape(text)}</code></p>`).join('')}</details>
</section>`;
}

function renderChart(chart: Chart, section: number, index: number): string {
  return `<figure><h3>${escape(chart.title)}</h3><figcaption>${direction(chart.better)}${scaleNote(chart)}</figcaption><div data-section="${section}" data-chart="${index}"></div></figure>`;
}

function scaleNote(chart: Chart): string {
  const logarithmic = [chart.x.scale === 'log' ? 'across' : '', chart.y.scale === 'log' ? 'upwards' : ''].filter((text) => text !== '');
  return logarithmic.length === 0 ? '' : ` Each step of the scale ${logarithmic.join(' and ')} is ten times the one before.`;
}

function renderBars({ title, unit, better, bars }: Bars): string {
  const most = Math.max(...bars.map(({ value }) => value), 0);
  const rows = bars.map(({ name, value }) => {
    const share = most > 0 ? Math.max(0, (100 * value) / most) : 0;
    return `<div class="bar${name === 'stratalog' ? ' own' : ''}"><span>${escape(name)}</span><i style="width:${share.toFixed(1)}%"></i><span>${escape(showFigure(value, unit))}</span></div>`;
  });
  return `<figure><h3>${escape(title)}</h3><figcaption>${direction(better)}</figcaption>${rows.join('')}</figure>`;
}

function renderTable({ title, columns, rows }: Table): string {
  const kind = (at: number): string => (columns[at]?.unit === 'text' ? ' class="text"' : '');
  const head = columns.map((column, at) => `<th${kind(at)}>${escape(column.title)}</th>`).join('');
  const body = rows.map(
    (row) => `<tr>${row.map((cell, at) => `<td${kind(at)}>${escape(showFigure(cell, columns[at]?.unit ?? 'text'))}</td>`).join('')}</tr>`,
  );
  return `<h3>${escape(title)}</h3><div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

function direction(better: Better): string {
  return better === 'more' ? 'Longer and higher is better.' : better === 'less' ? 'Shorter and lower is better.' : 'What there is to have.';
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Commands stand between backticks, as in the tables. */
function withCode(text: string): string {
  return escape(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

/** A script may not hold what ends it. */
function inScript(text: string): string {
  return text.replaceAll('</script', '<\\/script');
}

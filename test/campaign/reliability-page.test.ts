import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allControls } from '../controls/all-controls.js';
import { benches } from './benches.js';
import { introduction, notTested, promises } from './page/fixed-text.js';
import { type PageInputs, readPageInputs } from './page/page-inputs.js';
import { renderPage } from './page/render-page.js';
import { repositoryRoot } from './tree-copy.js';

const page = readFileSync(join(repositoryRoot, 'RELIABILITY.md'), 'utf8');
const inputs = readPageInputs();

/** Names of file systems are no figures. */
function figuresIn(text: string): readonly string[] {
  return text.replaceAll(/\bext4\b/g, '').match(/\d[\d,.]*/g) ?? [];
}

describe('RELIABILITY.md', () => {
  it('is what the result files give (npm run reliability)', () => {
    expect(page).toBe(renderPage(inputs));
  });

  it('what is written by hand holds no figure', () => {
    expect([introduction, promises, notTested].flatMap(figuresIn)).toEqual([]);
    expect(figuresIn('in 1,000 runs on ext4')).toEqual(['1,000']);
  });

  it('control: another count in the ledger, or another outcome of a control, makes another page', () => {
    const [first] = inputs.ledger;
    const more: PageInputs = { ...inputs, ledger: [...inputs.ledger, { ...(first ?? madeUp), count: 123_457 }] };
    expect(renderPage(more)).not.toBe(page);
    const outcome = {
      control: allControls[0]?.name ?? '',
      bench: 'kill',
      expected: true,
      result: 'caught',
      seedFrom: 1,
      count: 7,
      durationS: 1,
      by: '',
    } as const;
    const about = { commit: 'abc', engine: 'e', at: '' };
    const others: PageInputs = { ...inputs, outcomes: [{ ...outcome, ...about, greenCount: 7 }] };
    expect(renderPage(others)).toContain('**kill** within 7 kills');
    const notGreen: PageInputs = { ...inputs, outcomes: [{ ...outcome, ...about, greenCount: undefined }] };
    expect(renderPage(notGreen)).not.toContain('**kill** within 7 kills');
  });

  it('runs of an engine that has changed since stand apart and are not counted', () => {
    const bench = benches[0]?.name ?? '';
    const engines = { ...inputs.engines, engines: { [bench]: 'now' } };
    const runs = [
      { ...madeUp, bench, engine: 'now', count: 41 },
      { ...madeUp, bench, engine: 'before', count: 1001 },
    ];
    const text = renderPage({ ...inputs, engines, ledger: runs });
    const [now = '', earlier = ''] = text.split('### Earlier engines');
    expect(now).toContain('| 41 histories of');
    expect(now).not.toContain('1,001');
    expect(earlier).toContain('| 1,001 histories |');
  });

  it('every bug that was found names a test that is there', () => {
    expect(inputs.bugs.filter((bug) => !existsSync(join(repositoryRoot, bug.test))).map((bug) => bug.test)).toEqual([]);
  });

  it('no control is missing, and no outcome is of a control that is gone', () => {
    for (const control of allControls) expect(page).toContain(control.breaks);
    const names = new Set(allControls.map((control) => control.name));
    expect(inputs.outcomes.map((outcome) => outcome.control).filter((name) => !names.has(name))).toEqual([]);
  });
});

const madeUp = {
  bench: 'simulation',
  commit: 'abc',
  engine: 'none',
  seedFrom: 1,
  seedEnd: 2,
  count: 1,
  acknowledgements: 0,
  failures: 0,
  skipped: [],
  durationS: 1,
  kernel: '1',
  fileSystem: 'memory',
  node: 'v1',
  at: '',
};

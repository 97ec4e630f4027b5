import type { OriginalBug } from './bug-list.js';

/** ORIGINAL-BUGS.md, whole. */
export function renderPage(bugs: readonly OriginalBug[]): string {
  const subjects = [...new Set(bugs.map(({ subject }) => subject))];
  const tested = bugs.filter(({ tests }) => tests !== undefined);
  const testCount = tested.reduce((sum, { tests = [] }) => sum + tests.length, 0);
  const head = `# Bugs of the original

The store of Apache RocketMQ has been in use for many years, and its bugs are on record. Each one known to us is listed here with the
test that shows that this store does not have it, or with the reason why it cannot have it: ${bugs.length} bugs, of which ${tested.length} could be
here too, with ${testCount} tests.

\`\`\`sh
npx vitest run test/original-bugs
\`\`\`

Generated from \`data/original-bugs.json\` by \`npm run original-bugs\`; a test compares the page with the list and the list with the tests.
Numbers are issues and pull requests of apache/rocketmq unless another project is named; seven hexadecimal digits are commits.
What is said of a bug describes it as it was reported; many have been mended there since.
`;
  const sections = subjects.map((subject) =>
    section(
      subject,
      bugs.filter((bug) => bug.subject === subject),
    ),
  );
  return [head, ...sections].join('\n');
}

function section(subject: string, bugs: readonly OriginalBug[]): string {
  const files = [...new Set(bugs.flatMap(({ tests = [] }) => tests.map(({ file }) => file)))].map((file) => `[${file}](${file})`);
  return `## ${subject}

Tests: ${files.join(', ')}

| Reported in | What went wrong there | Why | Test here |
|---|---|---|---|
${bugs.map((bug) => row(bug)).join('\n')}
`;
}

function row({ threads, symptom, cause, scope, tests = [], absent }: OriginalBug): string {
  const shown = tests.map(({ name }) => cell(name));
  const here = absent === undefined ? [scope, ...shown].filter((text) => text !== undefined).join('<br>') : `None: ${lowerFirst(absent)}`;
  return `| ${threads.map((thread) => link(thread)).join(', ')} | ${cell(symptom)} | ${cell(cause)} | ${here} |`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function link(thread: string): string {
  const [, repository = '', mark, id = ''] = /^([\w-]+\/[\w-]+)([#@])(\w+)$/.exec(thread) ?? [];
  if (mark === undefined) return `[${thread}](https://issues.apache.org/jira/browse/${thread})`;
  const name = repository === 'apache/rocketmq' ? '' : repository;
  if (mark === '@') return `[${name}${id}](https://github.com/${repository}/commit/${id})`;
  return `[${name}#${id}](https://github.com/${repository}/issues/${id})`;
}

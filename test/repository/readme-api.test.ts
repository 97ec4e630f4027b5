import { parseSync, Visitor } from 'oxc-parser';
import { describe, expect, it } from 'vitest';
import { readKept } from './repository-files.js';

const notForPeople: ReadonlySet<string> = new Set(['directory']);

/** Names of the members of the interfaces `names` in `source`. */
function membersOf(source: string, names: readonly string[]): readonly string[] {
  const members: string[] = [];
  new Visitor({
    TSInterfaceDeclaration(node) {
      if (!names.includes(node.id.name)) return;
      for (const member of node.body.body) {
        if ((member.type === 'TSMethodSignature' || member.type === 'TSPropertySignature') && member.key.type === 'Identifier')
          members.push(member.key.name);
      }
    },
  }).visit(parseSync('contract.ts', source).program);
  return members;
}

/** The names in the first column of the table under `## API`. */
function tabledNames(page: string): readonly string[] {
  const section = page.slice(page.indexOf('## API'), page.indexOf('## What it is careful about'));
  const cells = [...section.matchAll(/^\| (`.*?`) \|/gm)].map(([, cell = '']) => cell);
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)(?:\(.*?\))?`/g)].map(([, name = '']) => name));
}

describe('the table of the API in the README', () => {
  it('names every member of a store, and nothing that a store has not', () => {
    const members = membersOf(readKept('src/store/contract.ts'), ['Store', 'StoreReader']).filter((name) => !notForPeople.has(name));
    expect(members.length).toBeGreaterThan(15);
    expect([...new Set(tabledNames(readKept('README.md')))].sort()).toEqual([...new Set(members)].sort());
  });

  it('control: a member that the table leaves out is seen', () => {
    expect(membersOf('export interface Store { read(): void; readonly left: number }', ['Store'])).toEqual(['read', 'left']);
    expect(tabledNames('## API\n\n| `read(a, b)`, `get()` | reads |\n\n## What it is careful about')).toEqual(['read', 'get']);
  });
});

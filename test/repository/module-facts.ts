import { parseSync, Visitor } from 'oxc-parser';

export interface ImportFact {
  readonly from: string;
  /** Nothing of it is left when the types are stripped. */
  readonly typeOnly: boolean;
  /** The names asked for; `*` for all of them, also by `import()`. */
  readonly names: readonly string[];
  readonly line: number;
}
export interface FunctionFact {
  readonly line: number;
  readonly lineCount: number;
}
export interface ModuleFacts {
  readonly imports: readonly ImportFact[];
  /** Names and member accesses as written (`Date.now`, `setTimeout`, `new Date()`), with their lines. */
  readonly uses: readonly { readonly name: string; readonly line: number }[];
  readonly functions: readonly FunctionFact[];
}

interface Positioned {
  readonly start: number;
  readonly end: number;
}

/** Reads one module with a real parser, so that neither comments nor strings are taken for code. */
export function moduleFacts(path: string, source: string): ModuleFacts {
  const parsed = parseSync(path, source, { sourceType: 'module' });
  if (parsed.errors.length > 0) throw new Error(`${path}: ${parsed.errors[0]?.message ?? 'does not parse'}`);
  const lineOf = (at: number): number => source.slice(0, at).split('\n').length;
  const imports: ImportFact[] = [];
  const uses: { name: string; line: number }[] = [];
  const functions: FunctionFact[] = [];
  const measure = (node: Positioned): void => {
    functions.push({ line: lineOf(node.start), lineCount: lineOf(node.end) - lineOf(node.start) + 1 });
  };
  const use = (name: string, node: Positioned): void => {
    uses.push({ name, line: lineOf(node.start) });
  };

  new Visitor({
    ImportDeclaration(node) {
      const names = node.specifiers.map((part) => {
        if (part.type !== 'ImportSpecifier') return part.type === 'ImportDefaultSpecifier' ? 'default' : '*';
        return part.imported.type === 'Identifier' ? part.imported.name : part.imported.value;
      });
      const typeOnly =
        node.importKind === 'type' ||
        (node.specifiers.length > 0 && node.specifiers.every((part) => part.type === 'ImportSpecifier' && part.importKind === 'type'));
      imports.push({ from: node.source.value, typeOnly, names, line: lineOf(node.start) });
    },
    ExportNamedDeclaration(node) {
      if (node.source === null) return;
      imports.push({ from: node.source.value, typeOnly: node.exportKind === 'type', names: ['*'], line: lineOf(node.start) });
    },
    ExportAllDeclaration(node) {
      imports.push({ from: node.source.value, typeOnly: node.exportKind === 'type', names: ['*'], line: lineOf(node.start) });
    },
    ImportExpression(node) {
      const from = node.source.type === 'Literal' && typeof node.source.value === 'string' ? node.source.value : '(computed)';
      imports.push({ from, typeOnly: false, names: ['*'], line: lineOf(node.start) });
    },
    TSImportType(node) {
      imports.push({ from: node.source.value, typeOnly: true, names: ['*'], line: lineOf(node.start) });
    },
    CallExpression(node) {
      const [argument] = node.arguments;
      if (node.callee.type !== 'Identifier' || node.callee.name !== 'require') return;
      const from = argument?.type === 'Literal' && typeof argument.value === 'string' ? argument.value : '(computed)';
      imports.push({ from, typeOnly: false, names: ['*'], line: lineOf(node.start) });
    },
    NewExpression(node) {
      if (node.callee.type === 'Identifier' && node.callee.name === 'Date' && node.arguments.length === 0) use('new Date()', node);
    },
    MemberExpression(node) {
      if (node.object.type !== 'Identifier') return;
      if (!node.computed && node.property.type === 'Identifier') use(`${node.object.name}.${node.property.name}`, node);
      if (node.computed && node.property.type === 'Literal') use(`${node.object.name}.${String(node.property.value)}`, node);
    },
    Identifier(node) {
      use(node.name, node);
    },
    FunctionDeclaration: measure,
    FunctionExpression: measure,
    ArrowFunctionExpression: measure,
  }).visit(parsed.program);
  return { imports, uses, functions };
}

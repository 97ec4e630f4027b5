import { floorOf } from './floors.js';
import { moduleFacts } from './module-facts.js';

/** Only these may touch the machine: everything else takes files, time, turns and random bytes from `Platform`. */
const besideTheMachine: ReadonlySet<string> = new Set(['platform', 'testing']);

const machineModules =
  /^(?:node:)?(?:fs|timers|child_process|worker_threads|cluster|dgram)(?:\/|$)|^(?:fs-extra|fs-native-extensions)(?:\/|$)/;
const barredNames: readonly { readonly module: RegExp; readonly names: RegExp; readonly instead: string }[] = [
  { module: /^(?:node:)?crypto$/, names: /^(?:random|getRandom|webcrypto|default|\*)/, instead: 'random bytes' },
  { module: /^(?:node:)?net$/, names: /^(?!isIP)/, instead: 'connections' },
  { module: /^(?:node:)?perf_hooks$/, names: /^(?:performance|default|\*)$/, instead: 'time' },
  { module: /^(?:node:)?module$/, names: /^(?:createRequire|default|\*)$/, instead: 'native packages' },
];
const barredUses: ReadonlySet<string> = new Set([
  'Date.now',
  'new Date()',
  'Math.random',
  'performance',
  'crypto',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'process.hrtime',
  'process.uptime',
  'AbortSignal.timeout',
]);
const viaGlobalThis = /^globalThis\.(?:performance|crypto|setTimeout|setInterval|setImmediate|Date|Math)$/;

/** One sentence for each place where `source` asks the machine and not `Platform`. */
export function machineUses(path: string, source: string): readonly string[] {
  if (besideTheMachine.has(floorOf(path))) return [];
  const facts = moduleFacts(path, source);
  const found: string[] = [];
  for (const { from, typeOnly, names, line } of facts.imports) {
    if (typeOnly) continue;
    if (machineModules.test(from)) found.push(`${path}:${line}: ${from} belongs to src/platform`);
    for (const barred of barredNames) {
      if (barred.module.test(from) && names.some((name) => barred.names.test(name)))
        found.push(`${path}:${line}: ${barred.instead} come from Platform, not from ${from}`);
    }
  }
  for (const { name, line } of facts.uses) {
    if (barredUses.has(name) || viaGlobalThis.test(name)) found.push(`${path}:${line}: ${name} instead of Platform`);
  }
  return [...new Set(found)];
}

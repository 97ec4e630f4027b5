import { type Dialect, javaReady } from './maven/class-path.js';

export interface Beside {
  /** Whether the suite is left out here: give it to `describe.skipIf`, so that each of its tests is counted as skipped. */
  readonly leftOut: boolean;
  /** To end the suite's name with: says why it is left out, or nothing. */
  readonly note: string;
}

/**
 * Whether a suite that runs stock Apache RocketMQ runs here. `npm test` starts no Java; `npm run interop` runs all such suites, `npm run
 * interop:smoke` those marked as such; where Java or an artefact is missing they are skipped by name.
 */
export async function besideJava(suite: { readonly smoke: boolean; readonly dialects: readonly Dialect[] }): Promise<Beside> {
  const why = await whyNot(suite);
  return why === undefined ? { leftOut: false, note: '' } : { leftOut: true, note: ` (left out: ${why})` };
}

async function whyNot(suite: { readonly smoke: boolean; readonly dialects: readonly Dialect[] }): Promise<string | undefined> {
  const wanted = process.env['STRATALOG_INTEROP'];
  if (wanted === undefined) return 'npm run interop runs it';
  if (wanted === 'smoke' && !suite.smoke) return 'npm run interop runs it, the selection does not';
  for (const dialect of suite.dialects) {
    const java = await javaReady(dialect);
    if (!java.ready) return java.why;
  }
  return undefined;
}

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type Platform, type Store, type StoreReader } from '../../../src/index.js';
import { compare } from '../oracle/compare.js';
import { Promises } from '../oracle/promises.js';
import type { World, WriterPlan } from '../writer/plan.js';
import { cleanAtExit } from './cleanups.js';
import type { Dice } from './dice.js';

const hangMs = 300_000;
const lifeMsLongest = 250;

/** One store through its lives: where it lies, what was promised, and the comparison after each death. */
export class StoreRun {
  readonly promises: Promises;
  readonly world: World;
  readonly directory: string;
  /** On this machine's own disk: notes, and what is kept of a finding. */
  readonly folder: string;
  readonly #snapshotFolder: string;
  readonly #dice: Dice;
  readonly #forget: () => void;
  #lives = 0;

  /** @param root Where the store lies; by default beside the notes. */
  constructor(world: World, dice: Dice, root?: string) {
    this.world = world;
    this.#dice = dice;
    this.promises = new Promises(world.flush === 'sync');
    this.folder = mkdtempSync(join(tmpdir(), 'stratalog-crash-'));
    this.#forget = cleanAtExit(() => rmSync(this.folder, { recursive: true, force: true }));
    this.directory = join(root ?? this.folder, 'store');
    this.#snapshotFolder = join(root ?? this.folder, 'snapshots');
    mkdirSync(this.#snapshotFolder);
  }

  plan(details: Partial<WriterPlan> = {}): WriterPlan {
    this.#lives += 1;
    return {
      directory: this.directory,
      notesPath: join(this.folder, `notes-${this.#lives}`),
      snapshotFolder: this.#snapshotFolder,
      seed: this.#dice.seed(),
      firstId: this.promises.nextId,
      world: this.world,
      producerCount: 8,
      lifeMs: 20 + this.#dice.below(lifeMsLongest),
      chorePauseMs: this.#dice.pick([2, 10, 30]),
      freeBytesMin: 0,
      cleans: true,
      ...details,
    };
  }

  /** Opens the store, compares everything with what was promised, and closes it. */
  async check(powerCut: boolean, platform?: Platform): Promise<readonly string[]> {
    const descriptorsBefore = openDescriptors();
    const findings = await withinTime('opening and reading', async () => {
      const store = await this.open(platform);
      try {
        return await this.compare(store, powerCut);
      } finally {
        await store.close();
      }
    }).catch((error: unknown) => [`the store does not open or read: ${text(error)}`]);
    const snapshotFindings = await this.#checkSnapshots().catch((error: unknown) => [`a snapshot does not open: ${text(error)}`]);
    const left = leftOver(descriptorsBefore, openDescriptors());
    return [...findings, ...snapshotFindings, ...left];
  }

  open(platform?: Platform): Promise<Store> {
    const { bodyBytesMax: _, ...options } = this.world;
    return openStore(this.directory, { ...options, freeBytesMin: 0, ...(platform === undefined ? {} : { platform }) });
  }

  compare(store: StoreReader, powerCut: boolean): Promise<readonly string[]> {
    return compare(store, this.promises, { powerCut, bodyBytesMax: this.world.bodyBytesMax, dice: this.#dice });
  }

  /** Takes a copy of the store and the notes, before anybody opens it. */
  keepCopy(into: string): void {
    cpSync(this.directory, join(into, 'store'), { recursive: true });
    cpSync(this.folder, join(into, 'notes'), { recursive: true, filter: (path) => !path.startsWith(this.directory) });
  }

  remove(): void {
    this.#forget();
  }

  /** Each that was made, and each that is there under its final name, opens and holds what had been acknowledged before it. */
  async #checkSnapshots(): Promise<readonly string[]> {
    const findings: string[] = [];
    const there = new Set(readdirSync(this.#snapshotFolder));
    for (const { name, acknowledgedIds, isMade } of this.promises.snapshots.splice(0)) {
      if (!there.has(name)) {
        if (isMade) findings.push(`snapshot ${name} was made and is not there`);
        continue;
      }
      const store = await withinTime(`snapshot ${name}`, () => openStore(join(this.#snapshotFolder, name), { freeBytesMin: 0 }));
      try {
        findings.push(...(await checkSnapshot(store, name, acknowledgedIds, this.promises)));
      } finally {
        await store.close();
      }
    }
    for (const name of there) rmSync(join(this.#snapshotFolder, name), { recursive: true, force: true });
    return findings;
  }
}

async function checkSnapshot(
  store: StoreReader,
  name: string,
  acknowledgedIds: readonly number[],
  promises: Promises,
): Promise<readonly string[]> {
  const findings: string[] = [];
  const ids = new Set<number>();
  for await (const message of store.tailAll({ from: 'earliest', until: 'end' })) ids.add(Number(message.properties['id']));
  const { minOffset } = store.stats();
  for (const id of acknowledgedIds) {
    const offset = promises.get(id)?.physicalOffset;
    if (!ids.has(id) && (offset ?? -1) >= minOffset) findings.push(`snapshot ${name} lacks message ${id} at ${offset}`);
  }
  const { faults } = await store.verify();
  for (const fault of faults.slice(0, 2)) findings.push(`snapshot ${name}: ${fault.where} at ${fault.offset}: ${fault.what}`);
  return findings.slice(0, 5);
}

async function withinTime<T>(what: string, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), hangMs);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What this process has open, by descriptor; empty where the machine does not tell. */
function openDescriptors(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  try {
    for (const fd of readdirSync('/proc/self/fd')) {
      try {
        found.set(fd, readlinkSync(`/proc/self/fd/${fd}`));
      } catch {
        // That of the listing itself.
      }
    }
  } catch {
    // No such machine.
  }
  return found;
}

function leftOver(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): readonly string[] {
  return [...after]
    .filter(([fd, path]) => path.includes('stratalog-crash-') && before.get(fd) !== path)
    .map(([, path]) => `after close() a descriptor of ${path} is left open`);
}

function text(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

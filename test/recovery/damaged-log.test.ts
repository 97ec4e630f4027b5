import { beforeAll, describe, expect, it } from 'vitest';
import { StoreError } from '../../src/index.js';
import { contents } from '../contract/disk-surgery.js';
import { failure, openTiny, root } from '../contract/harness.js';
import { damagesOfPart } from './damage-kinds.js';
import { type FrozenStore, frozenStore, type LogRecord, placeOf, walkLog } from './frozen-store.js';
import { linesOf, survivorsByKey, survivorsInLog, survivorsOf } from './survey.js';
import { storeOfThreeQueues } from './three-queues.js';

let frozen: FrozenStore;
beforeAll(async () => {
  frozen = await frozenStore('killed', storeOfThreeQueues);
});

/** Records that the damage touches, as a comparison of the log before and after shows. */
async function touched(damaged: ReturnType<FrozenStore['copy']>): Promise<ReadonlySet<LogRecord>> {
  const before = frozen.copy();
  const hit = new Set<LogRecord>();
  for (const record of frozen.records) {
    const { path, at } = placeOf(record.offset);
    const bytes = async (disk: typeof before): Promise<Buffer> => {
      const into = Buffer.alloc(record.bytes);
      const file = disk.fs.open(path, 'read');
      file.readSync(into, at);
      await file.close();
      return into;
    };
    if (!(await bytes(before)).equals(await bytes(damaged))) hit.add(record);
  }
  return hit;
}

describe('a log damaged below what was durable', () => {
  // The first record of a segment, one in the middle, the last of a segment, and the last but one of all.
  const victims: Record<string, (records: readonly LogRecord[]) => LogRecord> = {
    'the first record of all': (records) => records[0]!,
    'a record in the middle of the first segment': (records) => records[9]!,
    'the first record of a later segment': (records) => records.find((record) => record.offset === 8192)!,
    'the last record of a segment': (records) => records.filter((record) => record.offset < 12_288).at(-1)!,
    'a record of the last segment': (records) => records.at(-2)!,
  };
  const places: Record<string, number> = {
    size: 0,
    magic: 4,
    checksum: 9,
    'queue id': 15,
    'queue offset': 27,
    'own place': 34,
    time: 52,
    body: 90,
  };

  for (const [what, victimOf] of Object.entries(victims)) {
    for (const [field, shift] of Object.entries(places)) {
      it(`a bit flipped in the ${field} of ${what}: refused, or this one record is lost, or all from there on`, async () => {
        const victim = victimOf(frozen.records);
        const { path, at } = placeOf(victim.offset);
        const index = frozen.records.indexOf(victim);
        const damaged = async (): Promise<ReturnType<FrozenStore['copy']>> => {
          const disk = frozen.copy();
          await damagesOfPart['a flipped bit']!(disk, path, at + shift);
          return disk;
        };
        const strict = await damaged();
        const before = await contents(strict, root);
        const refused = await failure(() => openTiny(strict));
        expect(StoreError.is(refused, 'CORRUPT') && { path: refused.path, offset: refused.offset }).toEqual({ path, offset: at });
        expect(await contents(strict, root)).toEqual(before);

        const skipped = await openTiny(await damaged(), { recovery: 'skip' });
        expect(await survivorsOf(skipped)).toEqual(linesOf(frozen.records.filter((record) => record !== victim)));
        const { bytes } = victim;
        expect(skipped.recovery).toMatchObject({ cleanShutdown: false, skippedBytes: bytes, truncatedBytes: 0 });
        expect(skipped.recovery.damage).toMatchObject([{ path, offset: at, bytes }]);
        await skipped.close();

        const cut = await openTiny(await damaged(), { recovery: 'truncate' });
        expect(await survivorsOf(cut)).toEqual(linesOf(frozen.records.slice(0, index)));
        expect(cut.recovery).toMatchObject({ cleanShutdown: false, skippedBytes: 0 });
        expect(cut.recovery.damage).toMatchObject([{ path, offset: at }]);
        expect(cut.stats().writtenOffset).toBe(victim.offset);
        await cut.close();
      });
    }
  }

  for (const [kind, damage] of Object.entries(damagesOfPart)) {
    for (const sector of [0, 2, 7, 8, 15, 24, 30]) {
      it(`${kind} in sector ${sector} of the log costs the records that it touches, and no other`, async () => {
        const { path, at } = placeOf(sector * 512 + 100);
        const damaged = async (): Promise<ReturnType<FrozenStore['copy']>> => {
          const disk = frozen.copy();
          await damage(disk, path, at);
          return disk;
        };
        const strict = await damaged();
        const hit = await touched(strict);
        expect(hit.size).toBeGreaterThan(0);
        const first = frozen.records.findIndex((record) => hit.has(record));
        const before = await contents(strict, root);
        expect(await failure(() => openTiny(strict))).toMatchObject({ code: 'CORRUPT', path });
        expect(await contents(strict, root)).toEqual(before);

        const disk = await damaged();
        const skipped = await openTiny(disk, { recovery: 'skip' });
        const survivors = linesOf(frozen.records.filter((record) => !hit.has(record)));
        expect(await survivorsOf(skipped)).toEqual(survivors);
        expect(await survivorsInLog(skipped)).toEqual(survivors);
        expect(await survivorsByKey(skipped, ['T', 'U'], 'all')).toEqual(survivors);
        expect(await skipped.verify()).toMatchObject({ ok: true });
        await skipped.close();

        const cut = await openTiny(await damaged(), { recovery: 'truncate' });
        const prefix = linesOf(frozen.records.slice(0, first));
        expect(await survivorsOf(cut)).toEqual(prefix);
        expect(await survivorsByKey(cut, ['T', 'U'], 'all')).toEqual(prefix);
        expect(await cut.verify()).toMatchObject({ ok: true });
        await cut.close();
      });
    }
  }

  it('truncate keeps what it cuts in stratalog/aside, and the bytes behind the end are zeros', async () => {
    const victim = frozen.records[30]!;
    const { path, at } = placeOf(victim.offset);
    const disk = frozen.copy();
    await damagesOfPart['a flipped bit']!(disk, path, at + 80);
    const whole = await contents(disk, root);
    const store = await openTiny(disk, { recovery: 'truncate' });
    await store.close();
    const after = await contents(disk, root);
    const segment = Buffer.from(whole.get(path)!, 'base64');
    const left = Buffer.from(after.get(path)!, 'base64');
    expect(left.subarray(0, at)).toEqual(segment.subarray(0, at));
    expect(left.subarray(at)).toEqual(Buffer.alloc(4096 - at));
    // Put aside: the rest of this segment and the later ones, up to their last bytes that are not zeros.
    const aside = [...after]
      .filter(([name]) => name.startsWith(`${root}/stratalog/aside/commitlog-`))
      .map(([, bytes]) => Buffer.from(bytes, 'base64'));
    const later = [...whole]
      .filter(([name]) => name.startsWith(`${root}/commitlog/`) && name > path)
      .map(([, bytes]) => Buffer.from(bytes, 'base64'));
    for (const bytes of [segment.subarray(at), ...later]) {
      expect(
        aside.some((copy) => bytes.subarray(0, copy.length).equals(copy) && bytes.subarray(copy.length).every((byte) => byte === 0)),
      ).toBe(true);
    }
    expect(aside).toHaveLength(1 + later.length);
    expect(await walkLog(disk)).toEqual(frozen.records.slice(0, 30));
  });

  it('a refusal says where the damage is and what can be done about it', async () => {
    const victim = frozen.records[30]!;
    const { path, at } = placeOf(victim.offset);
    const disk = frozen.copy();
    await damagesOfPart['a flipped bit']!(disk, path, at + 80);
    const refused = await failure(() => openTiny(disk));
    expect(refused).toMatchObject({ code: 'CORRUPT', path, offset: at, stored: 'no', retryable: false });
    expect((refused as Error).message).toMatch(/'skip'.*'truncate'/);
  });

  it('a refused store is not locked, and can be opened with another mode at once', async () => {
    const victim = frozen.records[30]!;
    const { path, at } = placeOf(victim.offset);
    const disk = frozen.copy();
    await damagesOfPart['a flipped bit']!(disk, path, at + 80);
    for (let i = 0; i < 3; i += 1) expect(await failure(() => openTiny(disk))).toMatchObject({ code: 'CORRUPT' });
    const store = await openTiny(disk, { recovery: 'skip' });
    expect(await survivorsOf(store)).toHaveLength(frozen.records.length - 1);
    await store.close();
  });
});

describe('bytes behind the end of the log', () => {
  for (const [what, bytes] of Object.entries({
    nothing: Buffer.alloc(0),
    rubbish: Buffer.alloc(300, 0xda),
    'a forged size': Buffer.from('7fffffffdaa320a7', 'hex'),
  })) {
    for (const recovery of ['strict', 'skip', 'truncate'] as const) {
      it(`${what}: a torn tail, cut in mode ${recovery} as in any other`, async () => {
        const disk = frozen.copy();
        const last = frozen.records.at(-1)!;
        const { path, at } = placeOf(last.offset + last.bytes);
        const file = disk.fs.open(path, 'read-write');
        if (bytes.length > 0) file.writeSync([bytes], at);
        await file.sync('all');
        await file.close();
        const store = await openTiny(disk, { recovery });
        expect(await survivorsOf(store)).toEqual(linesOf(frozen.records));
        expect(store.recovery).toMatchObject({ cleanShutdown: false, skippedBytes: 0, truncatedBytes: bytes.length });
        await store.close();
        const after = Buffer.from((await contents(disk, root)).get(path)!, 'base64');
        expect(after.subarray(at)).toEqual(Buffer.alloc(4096 - at));
      });
    }
  }
});

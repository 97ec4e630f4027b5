import { mkdirSync, openSync, closeSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AppendLoadOptions, runAppendRound } from '../../bench/load/append-round.js';
import { runMixed } from '../../bench/load/mixed-round.js';
import { runOpenLoop } from '../../bench/load/open-loop-round.js';
import { runOpeningRounds } from '../../bench/load/opening-rounds.js';
import { runRetention } from '../../bench/load/retention-round.js';
import { runSoak, type SoakOptions } from '../../bench/load/soak-round.js';
import { runTailRound } from '../../bench/load/tail-round.js';
import { losing, openWorse } from './faulty-store.js';
import { freshPath } from './run-program.js';

/** A store that does not do what it says must not end up with a figure. */
const testMsMax = 120_000;
const shape = { bodyBytes: 100, queues: 4, keys: 1 };
const all = (): boolean => true;

function freshFolder(): string {
  const path = freshPath();
  mkdirSync(path);
  return path;
}

describe('controls of the load programs', () => {
  const append: AppendLoadOptions = {
    ...shape,
    ...{ mode: 'async', how: 'append', callers: 4, batch: 10, batchesInFlight: 1, recordChecksum: true, keyIndex: true },
    ...{ count: 500, seconds: 0, sampleEvery: 1, rounds: 1, rawSeconds: 1 },
  };

  it('append: a message that has a receipt and was not stored is missed', { timeout: testMsMax }, async () => {
    const round = await runAppendRound(freshFolder(), append, losing(all));
    expect(round.messageCount).toBe(500);
    expect(round.latencyCurve.length).toBeGreaterThan(5);
    await expect(
      runAppendRound(
        freshFolder(),
        append,
        losing((ordinal) => ordinal !== 77),
      ),
    ).rejects.toThrow('in place of');
    const batches: AppendLoadOptions = { ...append, how: 'batch' };
    await expect(
      runAppendRound(
        freshFolder(),
        batches,
        losing((ordinal) => ordinal !== 499),
      ),
    ).rejects.toThrow('in place of');
  });

  it('append: a message that is stored and not found by its key is missed', { timeout: testMsMax }, async () => {
    const deaf = openWorse(() => ({ findByKey: async function* () {} }));
    await expect(runAppendRound(freshFolder(), append, deaf)).rejects.toThrow('not found by its key');
  });

  it('open loop: a lost message is missed, and a rejected one ends it', { timeout: testMsMax }, async () => {
    const options = { ...shape, mode: 'async', messagesPerSecond: 500, seconds: 1 } as const;
    const round = await runOpenLoop(freshFolder(), options);
    expect([round.messageCount, round.latencyUs.sampleCount]).toEqual([500, 500]);
    await expect(
      runOpenLoop(
        freshFolder(),
        options,
        losing((ordinal) => ordinal !== 20_300),
      ),
    ).rejects.toThrow('in place of');
    let calls = 0;
    const refusing = openWorse((store) => ({
      append: (message, given) => {
        calls += 1;
        return calls === 20_100 ? Promise.reject(new Error('refused')) : store.append(message, given);
      },
    }));
    await expect(runOpenLoop(freshFolder(), options, refusing)).rejects.toThrow('refused');
  });

  it('tail: a message that the tail leaves out, or gives twice, is missed', { timeout: testMsMax }, async () => {
    const options = { ...shape, mode: 'async', batch: 10, batchesInFlight: 2, count: 1_000, rounds: 1 } as const;
    const round = await runTailRound(freshFolder(), options, true);
    expect(round.messageCount).toBe(1_000);
    expect(round.endToEndUs.sampleCount).toBeGreaterThan(0);
    await expect(
      runTailRound(
        freshFolder(),
        options,
        true,
        losing((ordinal) => ordinal !== 500),
      ),
    ).rejects.toThrow('in place of message');
    await expect(
      runTailRound(
        freshFolder(),
        options,
        true,
        losing((ordinal) => ordinal !== 999),
      ),
    ).rejects.toThrow('999 of 1000');
  });

  it('mixed: a message that is not stored is missed', { timeout: testMsMax }, async () => {
    const options = { ...shape, mode: 'async', writers: 2, readers: 1, tails: 1, seconds: 1, seed: 1 } as const;
    const round = await runMixed(freshFolder(), options);
    expect(round.writes.perSecond).toBeGreaterThan(0);
    expect(round.reads.latencyUs.sampleCount).toBeGreaterThan(0);
    expect(round.finds.latencyUs.sampleCount).toBeGreaterThan(0);
    await expect(
      runMixed(
        freshFolder(),
        options,
        losing((ordinal) => ordinal !== 20_001),
      ),
    ).rejects.toThrow(/in place of|is not at its place/);
  });

  it('retention: a store that deletes nothing, or loses a message, is found out', { timeout: testMsMax }, async () => {
    const options = { ...shape, bodyBytes: 1_024, callers: 8, segmentBytes: 1024 ** 2, maxBytes: 2 * 1024 ** 2, totalBytes: 8 * 1024 ** 2 };
    const round = await runRetention(freshFolder(), options);
    expect(round.deletedSegmentCount).toBeGreaterThan(2);
    const keepsAll = openWorse(
      () => ({}),
      ({ retention, ...rest }) => (retention === undefined ? rest : rest),
    );
    await expect(runRetention(freshFolder(), options, keepsAll)).rejects.toThrow('the log holds');
    await expect(
      runRetention(
        freshFolder(),
        options,
        losing((ordinal) => ordinal !== 7_000),
      ),
    ).rejects.toThrow(/ends at|has a gap/);
  });

  it('soak: memory that goes on growing, or a lost message, is found out', { timeout: testMsMax }, async () => {
    const options: SoakOptions = {
      ...shape,
      ...{
        mode: 'async',
        callers: 2,
        seconds: 1,
        sampleMs: 20,
        segmentBytes: 4 * 1024 ** 2,
        maxBytes: 8 * 1024 ** 2,
        growthBytesMax: 1e12,
      },
    };
    const round = await runSoak(freshFolder(), options);
    expect(round.samples.length).toBeGreaterThan(3);
    const hoard: Buffer[] = [];
    const leaking = openWorse((store) => ({
      append: (message, given) => {
        if (hoard.length < 4_000) hoard.push(Buffer.alloc(65_536, 1));
        return store.append(message, given);
      },
    }));
    await expect(runSoak(freshFolder(), { ...options, growthBytesMax: 0 }, leaking)).rejects.toThrow('memory goes on growing');
    await expect(
      runSoak(
        freshFolder(),
        options,
        losing((ordinal) => ordinal !== 40),
      ),
    ).rejects.toThrow(/ends at|does not hold/);
  });

  it('opening: messages that are gone after the kill are missed', { timeout: testMsMax }, async () => {
    const options = { ...shape, logBytes: 300_000, tailBytes: 100_000, rounds: 1 };
    const result = await runOpeningRounds(freshFolder(), options);
    expect([result.clean.length, result.killed.length]).toEqual([1, 1]);
    expect(result.killed[0]?.recovery.scannedBytes).toBeGreaterThan(0);
    await expect(runOpeningRounds(freshFolder(), options, wipeTail)).rejects.toThrow('opening a store of');
  });
});

/** Zeros over the end of what was written, as if the machine had lost it. */
function wipeTail(directory: string): void {
  const folder = join(directory, 'commitlog');
  const name = readdirSync(folder).sort()[0] ?? '';
  const fd = openSync(join(folder, name), 'r+');
  const from = 350_000;
  writeSync(fd, Buffer.alloc(Math.min(200_000, statSync(join(folder, name)).size - from)), 0, undefined, from);
  closeSync(fd);
}

import { describe, expect, it } from 'vitest';
import { CustomFeeder, type MessageTarget } from '../../src/dispatch/custom-feeder.js';
import type { Message } from '../../src/format/message.js';
import { type Gates, gatesOver } from '../commit-log/gates.js';
import { closeLog, type LogHarness, message, messages, openLog, preparedPlatform, turns, watch } from '../commit-log/log-harness.js';

interface Setup {
  readonly gates: Gates;
  readonly harness: LogHarness;
  readonly seen: string[];
  readonly synced: number[];
  readonly broken: string[];
  make(target?: Partial<MessageTarget>): CustomFeeder;
}

async function setUp(options: Parameters<typeof openLog>[1] = {}, readOn: (offset: number) => number = () => Number.NaN): Promise<Setup> {
  const gates = gatesOver(await preparedPlatform());
  let feeder: CustomFeeder | undefined;
  const harness = await openLog(gates, { segmentBytes: 4096, systemMessages: true, ...options, onVisible: () => feeder?.wake() });
  const setup: Setup = {
    gates,
    harness,
    seen: [],
    synced: [],
    broken: [],
    make: (target = {}) => {
      feeder = new CustomFeeder(
        {
          name: 'custom',
          from: () => undefined,
          dispatch: (each: Message) => setup.seen.push(each.body.toString().replace(/\.+$/, '')),
          sync: async (end: number) => {
            setup.synced.push(end);
          },
          ...target,
        },
        {
          segments: harness.segments,
          visible: () => harness.log.visible,
          flushed: () => harness.log.flushed,
          isOurs: () => false,
          readOn: async ({ offset }) => await Promise.resolve(readOn(offset)),
          placeBehindRepair: async () => await Promise.resolve(undefined),
        },
        (name, error) => setup.broken.push(`${name}: ${String(error)}`),
      );
      return feeder;
    },
  };
  return setup;
}

const names = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `m${from + i}`);

describe('CustomFeeder', () => {
  it('hands over every message in log order, once, over all segments', async () => {
    const { harness, seen, make } = await setUp();
    make();
    for (const each of messages(100, 100)) await harness.log.append(each, 'async', undefined);
    await turns();
    expect(seen).toEqual(names(100));
    await closeLog(harness);
  });

  it('begins where its target says, at the beginning of the log where it does not, and never beyond what is visible', async () => {
    const { harness, seen, make } = await setUp();
    const receipts = await Promise.all(messages(60, 100).map((each) => harness.log.append(each, 'async', undefined)));
    make({ from: () => receipts[40]?.physicalOffset }).wake();
    await turns();
    expect(seen).toEqual(names(20, 40));
    for (const from of [undefined, -5, Number.NaN, 0.5]) {
      seen.length = 0;
      make({ from: () => from }).wake();
      await turns();
      expect(seen).toEqual(names(60));
    }
    seen.length = 0;
    make({ from: () => 10 ** 9 }).wake();
    await harness.log.append(message('new'), 'async', undefined);
    await turns();
    expect(seen).toEqual(['new']);
    await closeLog(harness);
  });

  it('shows nothing that readers do not see yet, and says what is durable', async () => {
    const { gates, harness, make } = await setUp({ flush: 'sync' });
    const durable: boolean[] = [];
    make({ dispatch: (each) => void durable.push(each.durable) });
    await harness.log.append(message('first'), 'sync', undefined);
    await turns();
    gates.hold((call) => call.op === 'sync');
    const call = watch(harness.log.append(message('m'), 'sync', undefined));
    await turns();
    expect(durable).toEqual([true]);
    gates.open();
    await turns();
    expect([call.settled, durable]).toEqual([true, [true, true]]);
    await closeLog(harness);
  });

  it('leaves out what is no message of a queue', async () => {
    const { harness, seen, make } = await setUp();
    make();
    await harness.log.append(message('a'), 'async', undefined);
    await harness.log.append({ topic: 'T', body: 'prepared', system: { sysFlag: 4 } }, 'async', undefined);
    await harness.log.append(message('b'), 'async', undefined);
    await turns();
    expect(seen).toEqual(['a', 'b']);
    await closeLog(harness);
  });

  it('syncs its target when it has had everything', async () => {
    const { harness, seen, synced, make } = await setUp();
    const counts: number[] = [];
    const feeder = make({
      sync: async (end) => {
        counts.push(seen.length);
        synced.push(end);
      },
    });
    await Promise.all(messages(50, 100).map((each) => harness.log.append(each, 'async', undefined)));
    const end = harness.log.visible;
    await feeder.sync(end);
    await feeder.sync(end);
    expect([counts, synced]).toEqual([
      [50, 50],
      [end, end],
    ]);
    await closeLog(harness);
  });

  it('ends with what its target throws, which is told once, and nobody else notices', async () => {
    const { harness, broken, synced, make } = await setUp();
    let calls = 0;
    const feeder = make({
      dispatch: () => {
        calls += 1;
        if (calls === 3) throw new Error('third');
      },
    });
    for (const each of messages(20)) await harness.log.append(each, 'async', undefined);
    await turns();
    feeder.wake();
    await feeder.sync(harness.log.visible);
    await turns();
    expect([calls, broken, synced]).toEqual([3, ['custom: Error: third'], []]);
    await closeLog(harness);
  });

  it('ends with a sync that its target fails, also in the middle of feeding', async () => {
    const { gates, harness, broken, seen, make } = await setUp();
    const receipts = await Promise.all(messages(60, 100).map((each) => harness.log.append(each, 'async', undefined)));
    await harness.log.flush();
    const feeder = make({ sync: () => Promise.reject(new Error('unsynced')) });
    // The second segment is not read yet when the sync fails.
    let reads = 0;
    gates.hold((call) => call.op === 'read' && (reads += 1) === 2);
    feeder.wake();
    await turns();
    const before = seen.length;
    await feeder.sync(receipts[before - 1]?.physicalOffset ?? 0);
    gates.open();
    await turns();
    await feeder.sync(harness.log.visible);
    expect([broken, before > 0, seen.length]).toEqual([['custom: Error: unsynced'], true, before]);
    await closeLog(harness);
  });

  it('leaves out damage, that of a body too, and goes on where it is told that the log can be read again', async () => {
    const ends = new Map<number, number>();
    const { harness, seen, make } = await setUp({}, (offset) => ends.get(offset) ?? Number.NaN);
    const receipts = await Promise.all(messages(60, 100).map((each) => harness.log.append(each, 'async', undefined)));
    await harness.log.flush();
    for (const [index, at] of [
      [20, 0],
      [41, 90],
    ] as const) {
      const { physicalOffset, recordBytes } = receipts[index]!;
      const base = harness.segments.baseOf(physicalOffset);
      const file = harness.platform.fs.open(harness.segments.pathOf(base), 'read-write');
      file.writeSync([Buffer.alloc(8, 0xff)], physicalOffset - base + at);
      await file.close();
      ends.set(physicalOffset, physicalOffset + recordBytes);
    }
    make().wake();
    await turns(100);
    expect(seen).toEqual(names(60).filter((_, i) => i !== 20 && i !== 41));
    await closeLog(harness);
  });

  it('tells a target that asks to begin inside a record, where it would have missed messages', async () => {
    const { harness, seen, broken, make } = await setUp();
    const receipts = await Promise.all(messages(60, 100).map((each) => harness.log.append(each, 'async', undefined)));
    const inside = (receipts[30]?.physicalOffset ?? 0) + 1;
    make({ from: () => inside }).wake();
    await turns();
    expect(seen).toEqual([]);
    expect(broken).toEqual([expect.stringMatching(/^custom: StoreError: .*asked to begin here, and no record does/)]);
    await closeLog(harness);
  });

  it('takes a failing disk for the end of its feeding as well', async () => {
    const { gates, harness, broken, make } = await setUp();
    await harness.log.append(message('m'), 'async', undefined);
    gates.fail((call) => (call.op === 'read' ? new Error('EIO') : undefined));
    make().wake();
    await turns();
    expect(broken).toEqual(['custom: Error: EIO']);
    gates.fail(() => undefined);
    await closeLog(harness);
  });
});

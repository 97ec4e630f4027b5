import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { findByKey } from '../../src/store/find-by-key.js';
import { get } from '../../src/store/get.js';
import { offsetAt } from '../../src/store/offset-at.js';
import { bounds } from '../../src/store/bounds.js';
import { read } from '../../src/store/read.js';
import { topics } from '../../src/store/topics.js';
import { tailLog } from '../../src/store/tail-all.js';
import { tailQueue } from '../../src/store/tail.js';
import { collect, ReadFixture, type Stored } from './read-fixture.js';

/** Two of the tags have the same Java hash, and two of the keys. */
const tags = ['Aa', 'BB', 'red', undefined] as const;
const keys = ['Aa', 'BB', 'k1', 'k2'] as const;
const topicNames = ['orders', 'bills'] as const;

const arrival = fc.record({
  topic: fc.constantFrom(...topicNames),
  queueId: fc.nat(1),
  tag: fc.constantFrom(...tags),
  keys: fc.subarray([...keys]),
  bodyBytes: fc.oneof({ weight: 8, arbitrary: fc.nat(80) }, { weight: 1, arbitrary: fc.integer({ min: 300, max: 1500 }) }),
  laterMs: fc.nat(3),
  /** What comes before it, of the store's own. */
  before: fc.option(fc.constantFrom('tombstone' as const, 'filler' as const), { freq: 12 }),
});

const history = fc.record({
  arrivals: fc.array(arrival, { minLength: 1, maxLength: 120 }),
  recordChecksum: fc.boolean(),
  writesQueues: fc.boolean(),
  expiredSegmentCount: fc.nat(2),
  seed: fc.nat(),
});

const ask = fc.record({
  from: fc.nat(),
  countMax: fc.integer({ min: 1, max: 40 }),
  bytesMax: fc.integer({ min: 1, max: 3000 }),
  tags: fc.option(fc.subarray(['Aa', 'BB', 'red', 'none']), { nil: undefined }),
  topics: fc.option(fc.subarray([...topicNames]), { nil: undefined }),
  time: fc.nat(),
  span: fc.nat(200),
});
type Ask = typeof ask extends fc.Arbitrary<infer T> ? T : never;

async function build(plan: typeof history extends fc.Arbitrary<infer T> ? T : never): Promise<ReadFixture> {
  const fixture = await ReadFixture.open({ seed: plan.seed, recordChecksum: plan.recordChecksum });
  let storedAt = 1_000;
  for (const { topic, queueId, tag, keys: messageKeys, bodyBytes, laterMs, before } of plan.arrivals) {
    if (before !== null) fixture.appendRepair(before, topic, queueId);
    storedAt += laterMs;
    fixture.append({ topic, queueId, tag, keys: messageKeys, body: Buffer.alloc(bodyBytes, topic) }, storedAt);
  }
  if (plan.writesQueues) await fixture.writeQueues();
  for (let i = 0; i < plan.expiredSegmentCount && fixture.segments.bases.length > 1; i += 1) await fixture.expireFirst();
  return fixture;
}

function alive(fixture: ReadFixture): readonly Stored[] {
  return fixture.stored.filter((stored) => stored.physicalOffset >= fixture.segments.minOffset);
}

function offsetsOf(messages: readonly { readonly physicalOffset: number }[]): number[] {
  return messages.map((message) => message.physicalOffset);
}

const passes = (stored: Stored, wanted: readonly string[] | undefined): boolean =>
  wanted === undefined || (stored.message.tag !== undefined && wanted.includes(stored.message.tag));

async function checkQueue(fixture: ReadFixture, topic: string, queueId: number, asked: Ask): Promise<void> {
  const { view } = fixture;
  const queue = { topic, queueId };
  const { min, max } = bounds(view, queue);
  const all = alive(fixture).filter((stored) => stored.topic === topic && stored.queueId === queueId);
  const from = min + (asked.from % (max - min + 1));
  const rest = all.filter((stored) => stored.queueOffset >= from && passes(stored, asked.tags));
  const expected: Stored[] = [];
  let bytes = 0;
  for (const stored of rest) {
    bytes += stored.recordBytes;
    if (expected.length === asked.countMax || (expected.length > 0 && bytes > asked.bytesMax)) break;
    expected.push(stored);
  }
  const result = await read(view, queue, { from, countMax: asked.countMax, bytesMax: asked.bytesMax, tags: asked.tags });
  // A lost message takes the room of what it was, so that there may be fewer.
  const count = fixture.hasTombstones ? result.messages.length : expected.length;
  expect(offsetsOf(result.messages)).toEqual(offsetsOf(expected.slice(0, count)));
  expect(result.messages.map((message) => message.body.length)).toEqual(
    expected.slice(0, count).map((stored) => stored.message.body.length),
  );
  expect({ min: result.min, max: result.max }).toEqual({ min, max });
  // Going on from `next` finds the others, each once.
  const others = await collect(tailQueue(view, queue, { from: result.next, tags: asked.tags, until: 'end' }));
  expect(offsetsOf([...result.messages, ...others])).toEqual(offsetsOf(rest));

  const time = 1_000 + (asked.time % 400);
  const at = await offsetAt(view, queue, time);
  expect(all.filter((stored) => stored.queueOffset >= at).map((stored) => stored.queueOffset)).toEqual(
    all.filter((stored) => stored.storedAt >= time).map((stored) => stored.queueOffset),
  );
  const between = await collect(tailQueue(view, queue, { from: { time }, until: { time: time + asked.span } }));
  const isBetween = (stored: Stored): boolean => stored.storedAt >= time && stored.storedAt < time + asked.span;
  expect(offsetsOf(between)).toEqual(offsetsOf(all.filter(isBetween)));
}

async function checkLog(fixture: ReadFixture, asked: Ask): Promise<void> {
  const { view } = fixture;
  const all = alive(fixture);
  const passing = all.filter(
    (stored) => passes(stored, asked.tags) && (asked.topics === undefined || (asked.topics as readonly string[]).includes(stored.topic)),
  );
  const { tags: wantedTags, topics: wantedTopics } = asked;
  const found = await collect(tailLog(view, { from: 'earliest', until: 'end', tags: wantedTags, topics: wantedTopics }));
  expect(offsetsOf(found)).toEqual(offsetsOf(passing));
  const start = all[asked.from % Math.max(1, all.length)];
  if (start !== undefined) {
    const from = asked.span % 2 === 0 ? start.physicalOffset : start.physicalOffset + start.recordBytes;
    const rest = await collect(tailLog(view, { from, until: 'end' }));
    expect(offsetsOf(rest)).toEqual(offsetsOf(all.filter((stored) => stored.physicalOffset >= from)));
    expect((await get(view, start.physicalOffset))?.queueOffset).toBe(start.queueOffset);
    expect(await get(view, start.physicalOffset + 1)).toBeUndefined();
  }
  const time = 1_000 + (asked.time % 400);
  const between = await collect(tailLog(view, { from: { time }, until: { time: time + asked.span } }));
  const isBetween = (stored: Stored): boolean => stored.storedAt >= time && stored.storedAt < time + asked.span;
  expect(offsetsOf(between)).toEqual(offsetsOf(all.filter(isBetween)));
}

async function checkKeys(fixture: ReadFixture, topic: string, asked: Ask): Promise<void> {
  const since = 1_000 + (asked.time % 400);
  const until = since + asked.span;
  for (const key of keys) {
    const all = alive(fixture)
      .filter((stored) => stored.topic === topic && stored.message.keys?.includes(key) === true)
      .reverse();
    const found = await collect(findByKey(fixture.view, { topic, key, countMax: asked.countMax }));
    expect(offsetsOf(found)).toEqual(offsetsOf(all.slice(0, asked.countMax)));
    const before = found.at(-1)?.physicalOffset;
    const nextPage = await collect(findByKey(fixture.view, { topic, key, before }));
    if (before !== undefined) expect(offsetsOf([...found, ...nextPage])).toEqual(offsetsOf(all));
    const timed = await collect(findByKey(fixture.view, { topic, key, since, until }));
    expect(offsetsOf(timed)).toEqual(offsetsOf(all.filter((stored) => stored.storedAt >= since && stored.storedAt < until)));
  }
}

it('whatever is stored, everything that reads finds what plain arrays find', async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.array(ask, { minLength: 1, maxLength: 3 }), async (plan, asks) => {
      const fixture = await build(plan);
      for (const asked of asks) {
        for (const topic of topicNames) {
          for (const queueId of [0, 1]) await checkQueue(fixture, topic, queueId, asked);
          await checkKeys(fixture, topic, asked);
        }
        await checkLog(fixture, asked);
      }
      expect(fixture.mendedSlots).toEqual([]);
      expect(fixture.mendedIndexCount).toBe(0);
      expect(fixture.waitingCount).toBe(0);
      const names = topicNames.filter((name) => plan.arrivals.some(({ topic }) => topic === name)).sort();
      expect(topics(fixture.view).map(({ topic }) => topic)).toEqual(names);
    }),
    { numRuns: 60 },
  );
}, 120_000);

it('tails that run beside a writer hand out every message once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arrival, { minLength: 1, maxLength: 60 }), fc.nat(), async (arrivals, seed) => {
      const fixture = await ReadFixture.open({ seed });
      const { view } = fixture;
      const ofQueue = tailQueue(view, { topic: 'orders' }, { from: 'earliest' });
      const ofRed = tailQueue(view, { topic: 'orders' }, { from: 'latest', tags: ['red', 'Aa'] });
      const ofLog = tailLog(view, { from: 'earliest' });
      const heard = [ofQueue, ofRed, ofLog].map((tail) => collect(tail));
      for (const { topic, queueId, tag, bodyBytes } of arrivals) {
        fixture.append({ topic, queueId, tag, body: Buffer.alloc(bodyBytes) });
        if (bodyBytes % 3 === 0) await nextTurn();
      }
      while (ofLog.position < fixture.visible || ofQueue.position < bounds(view, { topic: 'orders' }).max) await nextTurn();
      while (ofRed.position < bounds(view, { topic: 'orders' }).max) await nextTurn();
      fixture.close();
      const [queueHeard, redHeard, logHeard] = await Promise.all(heard);
      const isOrder = (stored: Stored): boolean => stored.topic === 'orders' && stored.queueId === 0;
      expect(offsetsOf(queueHeard ?? [])).toEqual(offsetsOf(fixture.stored.filter(isOrder)));
      const isRed = (stored: Stored): boolean => isOrder(stored) && passes(stored, ['red', 'Aa']);
      expect(offsetsOf(redHeard ?? [])).toEqual(offsetsOf(fixture.stored.filter(isRed)));
      expect(offsetsOf(logHeard ?? [])).toEqual(offsetsOf(fixture.stored));
      expect(fixture.waitingCount).toBe(0);
    }),
    { numRuns: 60 },
  );
}, 120_000);

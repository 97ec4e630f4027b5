import { describe, expect, it } from 'vitest';
import {
  codesOf,
  hourKey,
  loadEarthquakes,
  magnitudeClass,
  namesOf,
  queueByNetwork,
  sortByTime,
  strongClasses,
  type Earthquake,
} from '../../bench/main-job/earthquakes.js';
import { eventJson, makeTemplates, roundMax, roundSuffix, withSuffix } from '../../bench/main-job/event-templates.js';
import { StoredSoFar } from '../../bench/main-job/stored-so-far.js';

const events = loadEarthquakes();

function bodyOf(body: Uint8Array | string): Earthquake & { readonly filler?: string } {
  return JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString()) as Earthquake;
}

describe('the feed', () => {
  it('has 1,707 events, oldest first', () => {
    expect(events).toHaveLength(1_707);
    const times = events.map((event) => event.properties.time);
    expect(times).toEqual([...times].sort((left, right) => left - right));
  });

  it('events of the same millisecond are in the order of their ids', () => {
    const at = (id: string): Earthquake => ({ id, properties: { mag: 1, time: 5, net: 'ci', ids: '', code: '' } });
    expect(sortByTime([at('b'), at('c'), at('a')]).map((event) => event.id)).toEqual(['a', 'b', 'c']);
  });

  it('each network has a queue, in the order of their names', () => {
    const queues = queueByNetwork(events);
    expect([...queues.keys()]).toEqual(['ak', 'ci', 'hv', 'mb', 'nc', 'nm', 'nn', 'pr', 'se', 'us', 'uu', 'uw']);
    expect([...queues.values()]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(queueByNetwork([...events].reverse())).toEqual(queues);
  });

  it.each([
    [-0.8, 'micro'],
    [1.99, 'micro'],
    [2, 'minor'],
    [3.9, 'minor'],
    [4, 'light'],
    [5.2, 'moderate'],
    [6, 'strong'],
    [7.4, 'major'],
    [8, 'great'],
    [9.5, 'great'],
    [null, 'unknown'],
    [undefined, 'unknown'],
    [Number.NaN, 'unknown'],
  ])('magnitude %s is of the class %s', (magnitude, expected) => {
    expect(magnitudeClass(magnitude)).toBe(expected);
  });

  it('strong is what has magnitude 6 or more', () => {
    const strong = events.filter((event) => strongClasses.includes(magnitudeClass(event.properties.mag)));
    expect(strong.map((event) => event.id)).toEqual(events.filter((event) => (event.properties.mag ?? 0) >= 6).map((event) => event.id));
    expect(strong.length).toBeGreaterThan(0);
  });

  it('the hour of a key is that of UTC', () => {
    expect(hourKey(Date.UTC(2018, 1, 5, 13, 59, 59, 999))).toBe('hour-2018-02-05T13');
    expect(hourKey(Date.UTC(2018, 1, 5, 14))).toBe('hour-2018-02-05T14');
  });

  it('codes are what is between the commas, none twice', () => {
    expect(codesOf(',us1000abc,ci123,us1000abc,')).toEqual(['us1000abc', 'ci123']);
    expect(codesOf('')).toEqual([]);
    expect(events.flatMap((event) => namesOf(event)).filter((name) => name === '' || name.includes(' '))).toEqual([]);
  });
});

describe('messages of the feed', () => {
  const templates = makeTemplates(events, 0);

  it('of the feed itself carry the event unchanged', () => {
    for (const [index, template] of templates.entries()) {
      const message = template.original();
      expect(bodyOf(message.body)).toEqual(events[index]);
      expect(message.keys).toEqual([...namesOf(events[index] as Earthquake), hourKey(events[index]!.properties.time)]);
      expect(message.bornAt).toBe(events[index]!.properties.time);
    }
  });

  it('of a replay differ from the event in id, code and ids alone', () => {
    for (const [index, template] of templates.entries()) {
      expect(bodyOf(template.replayed(42).body)).toEqual(withSuffix(events[index] as Earthquake, '-000042'));
    }
  });

  it('of one replay after the other have no name in common but the hour', () => {
    const names = new Set<string>();
    let count = 0;
    for (const round of [1, 2, 10, roundMax]) {
      for (const template of templates) {
        const keys = template.replayed(round).keys ?? [];
        expect(keys.at(-1)).toBe(template.hour);
        for (const name of keys.slice(0, -1)) names.add(name);
        count += keys.length - 1;
      }
    }
    expect(names.size).toBe(count);
  });

  it('carry the same event in keys and body', () => {
    for (const template of templates) {
      const message = template.replayed(7);
      const { id, properties } = bodyOf(message.body);
      expect(message.keys).toEqual([...new Set([id, ...codesOf(properties.ids)]), template.hour]);
    }
  });

  it('a name without a round would be no longer unique, so it is refused', () => {
    expect(() => roundSuffix(roundMax + 1)).toThrow(RangeError);
    expect(() => roundSuffix(-1)).toThrow(RangeError);
    expect(roundSuffix(7)).toBe('-000007');
  });

  it.each([800, 1_024, 4_000])('are made up to at least %i bytes, as JSON', (bodyBytes) => {
    for (const event of events.slice(0, 50)) {
      const json = eventJson(event, bodyBytes);
      const { filler, ...rest } = JSON.parse(json) as Earthquake & { readonly filler?: string };
      expect(Buffer.byteLength(json)).toBeGreaterThanOrEqual(bodyBytes);
      expect(Buffer.byteLength(json)).toBeLessThanOrEqual(Math.max(bodyBytes, Buffer.byteLength(JSON.stringify(event))) + 12);
      expect(rest).toEqual(event);
      expect(filler === undefined).toBe(Buffer.byteLength(JSON.stringify(event)) >= bodyBytes);
    }
  });
});

describe('what must be found', () => {
  it('follows from how often each event was stored', () => {
    const stored = new StoredSoFar(makeTemplates(events.slice(0, 10), 0));
    stored.count = 34;
    expect(Array.from({ length: 10 }, (_, index) => stored.timesStored(index))).toEqual([4, 4, 4, 4, 3, 3, 3, 3, 3, 3]);
    expect(stored.countWhere(() => true)).toBe(34);
    expect(stored.countWhere((template) => template === stored.templates[9])).toBe(3);
  });
});

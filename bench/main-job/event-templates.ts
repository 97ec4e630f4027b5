import type { NewMessage } from '../../src/index.js';
import { earthquakesTopic, hourKey, magnitudeClass, namesOf, queueByNetwork, type Earthquake } from './earthquakes.js';

/**
 * Messages of the feed, as often as wanted. Round 0 is the feed itself. In round 7 every id and code ends in `-000007`, in the keys and
 * in the body alike; everything else of an event stays as it is, its time too.
 *
 * A replay should measure the store and not JSON.stringify. So each event is serialized once, with room for the suffix, and a round
 * writes its digits in place. Hence a message of `replayed` is good until the same event is asked for again: the store copies
 * a message before `append` returns, so that is enough.
 */
export interface EventTemplate {
  readonly event: Earthquake;
  readonly queueId: number;
  readonly tag: string;
  readonly hour: string;
  /** Id first, then codes. */
  readonly names: readonly string[];
  original(): NewMessage;
  replayed(round: number): NewMessage;
}

const digitCount = 6;
export const roundMax: number = 10 ** digitCount - 1;
const placeholder = `-${'#'.repeat(digitCount)}`;

export function makeTemplates(events: readonly Earthquake[], bodyBytesMin: number): readonly EventTemplate[] {
  const queues = queueByNetwork(events);
  return events.map((event) => makeTemplate(event, queues.get(event.properties.net) ?? 0, bodyBytesMin));
}

function makeTemplate(event: Earthquake, queueId: number, bodyBytesMin: number): EventTemplate {
  const tag = magnitudeClass(event.properties.mag);
  const hour = hourKey(event.properties.time);
  const names = namesOf(event);
  const bornAt = event.properties.time;
  const body = Buffer.from(eventJson(withSuffix(event, placeholder), bodyBytesMin));
  const digitsAt = placesOf(body, placeholder);
  return {
    event,
    queueId,
    tag,
    hour,
    names,
    original: () => ({ topic: earthquakesTopic, queueId, tag, keys: [...names, hour], bornAt, body: eventJson(event, bodyBytesMin) }),
    replayed(round) {
      const suffix = roundSuffix(round);
      for (const at of digitsAt) body.write(suffix, at, 'latin1');
      const keys = names.map((name) => name + suffix);
      keys.push(hour);
      return { topic: earthquakesTopic, queueId, tag, keys, bornAt, body };
    },
  };
}

/** `-000007`. */
export function roundSuffix(round: number): string {
  if (!Number.isInteger(round) || round < 0 || round > roundMax) throw new RangeError(`round ${round} is not between 0 and ${roundMax}`);
  return `-${String(round).padStart(digitCount, '0')}`;
}

/** The event with its id and all its codes made longer by `suffix`. */
export function withSuffix(event: Earthquake, suffix: string): Earthquake {
  const { ids, code } = event.properties;
  return {
    ...event,
    properties: { ...event.properties, ids: ids.replaceAll(/[^,]+/g, (each) => each + suffix), code: code + suffix },
    id: event.id + suffix,
  };
}

/** JSON of the event, made up to at least `bodyBytesMin` bytes by a field `filler`. */
export function eventJson(event: Earthquake, bodyBytesMin: number): string {
  const json = JSON.stringify(event);
  const missing = bodyBytesMin - Buffer.byteLength(json);
  if (missing <= 0) return json;
  const fieldBytes = ',"filler":""'.length;
  return `${json.slice(0, -1)},"filler":"${'.'.repeat(Math.max(0, missing - fieldBytes))}"}`;
}

function placesOf(body: Buffer, text: string): readonly number[] {
  const places: number[] = [];
  for (let at = body.indexOf(text); at >= 0; at = body.indexOf(text, at + text.length)) places.push(at);
  return places;
}

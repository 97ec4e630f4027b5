import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The feed of earthquakes (see data/README.md) and what of an event becomes what of a message:
 *
 *   topic  `earthquakes`
 *   queue  the network that reported it: its place in the sorted list of networks
 *   tag    the class of its magnitude
 *   keys   its id, every code other networks know it by, its hour (`hour-2018-02-05T13`, UTC)
 *   bornAt its own time
 *   body   its JSON
 */
export const earthquakesTopic = 'earthquakes';

export interface Earthquake {
  readonly id: string;
  readonly properties: {
    readonly mag: number | null;
    readonly time: number;
    readonly net: string;
    /** Codes between commas: `,us1000abc,ci123,`. */
    readonly ids: string;
    readonly code: string;
    readonly [name: string]: unknown;
  };
  readonly [name: string]: unknown;
}

/** The usual classes of magnitude, each with the least magnitude that belongs to it. */
const classes: readonly (readonly [name: string, least: number])[] = [
  ['great', 8],
  ['major', 7],
  ['strong', 6],
  ['moderate', 5],
  ['light', 4],
  ['minor', 2],
  ['micro', Number.NEGATIVE_INFINITY],
];

/** The classes from `strong` on. */
export const strongClasses: readonly string[] = ['strong', 'major', 'great'];

const feedPath = fileURLToPath(new URL('../../data/earthquakes.json', import.meta.url));

/** All events, oldest first; those of the same millisecond by id. */
export function loadEarthquakes(path: string = feedPath): readonly Earthquake[] {
  const feed = JSON.parse(readFileSync(path, 'utf8')) as { readonly features?: unknown };
  if (!Array.isArray(feed.features) || feed.features.length === 0) throw new Error(`${path} holds no events`);
  return sortByTime(feed.features as readonly Earthquake[]);
}

export function sortByTime(events: readonly Earthquake[]): readonly Earthquake[] {
  return [...events].sort((left, right) => left.properties.time - right.properties.time || (left.id < right.id ? -1 : 1));
}

/** Each network with its queue. */
export function queueByNetwork(events: readonly Earthquake[]): ReadonlyMap<string, number> {
  const networks = [...new Set(events.map((event) => event.properties.net))].sort();
  return new Map(networks.map((network, queueId) => [network, queueId]));
}

export function magnitudeClass(magnitude: number | null | undefined): string {
  if (typeof magnitude !== 'number' || Number.isNaN(magnitude)) return 'unknown';
  return classes.find(([, least]) => magnitude >= least)?.[0] ?? 'unknown';
}

/** `hour-2018-02-05T13`, in UTC. */
export function hourKey(time: number): string {
  return `hour-${new Date(time).toISOString().slice(0, 13)}`;
}

/** The codes of an `ids` field; none twice. */
export function codesOf(ids: string): readonly string[] {
  return [...new Set(ids.split(',').filter((code) => code !== ''))];
}

/** Id and codes, none twice, without the hour. */
export function namesOf(event: Earthquake): readonly string[] {
  return [...new Set([event.id, ...codesOf(event.properties.ids)])];
}

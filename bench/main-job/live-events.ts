import { queueFor, type NewMessage } from '../../src/index.js';
import type { Earthquake } from './earthquakes.js';
import { eventJson } from './event-templates.js';

/** What the process that gets killed stores: events with an id of their own, spread over a few queues by that id. */
export const liveTopic = 'earthquakes-live';
export const liveQueueCount = 4;

export function liveId(ordinal: number): string {
  return `live-${String(ordinal).padStart(8, '0')}`;
}

export function liveMessage(event: Earthquake, ordinal: number): NewMessage {
  const id = liveId(ordinal);
  return {
    topic: liveTopic,
    queueId: queueFor(id, liveQueueCount),
    keys: [id],
    bornAt: event.properties.time,
    body: eventJson({ ...event, id }, 0),
  };
}

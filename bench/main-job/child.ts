import { openStore, type Store } from '../../src/index.js';
import { AcknowledgedNotes } from './acknowledged.js';
import { loadEarthquakes, type Earthquake } from './earthquakes.js';
import { liveMessage } from './live-events.js';

/**
 * The process that gets killed: many callers, each storing one event after the other with `flush: 'sync'` and noting its id when the
 * receipt is there. It never ends by itself.
 *
 *   node child.js <directory of the store> <file of notes> <number of callers>
 */
const [directory, notesPath, callerCount] = process.argv.slice(2);
if (directory === undefined || notesPath === undefined || callerCount === undefined) throw new Error('three arguments are needed');

async function storeWithoutEnd(store: Store, notes: AcknowledgedNotes, events: readonly Earthquake[], next: () => number): Promise<never> {
  for (;;) {
    const ordinal = next();
    const message = liveMessage(events[ordinal % events.length] as Earthquake, ordinal);
    await store.append(message);
    notes.note(message.keys?.[0] ?? '');
  }
}

const events = loadEarthquakes();
const store = await openStore(directory, { flush: 'sync' });
const notes = new AcknowledgedNotes(notesPath);
let lastOrdinal = 0;
const next = (): number => (lastOrdinal += 1);
await Promise.all(Array.from({ length: Number(callerCount) }, () => storeWithoutEnd(store, notes, events, next)));

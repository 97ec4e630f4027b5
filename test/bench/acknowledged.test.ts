import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AcknowledgedNotes, isProven, proveAcknowledged, readAcknowledged } from '../../bench/main-job/acknowledged.js';
import { loadEarthquakes, type Earthquake } from '../../bench/main-job/earthquakes.js';
import { liveId, liveMessage } from '../../bench/main-job/live-events.js';
import { openStore, type Store } from '../../src/index.js';
import { freshPath } from './run-program.js';

const storedCount = 40;
const event = loadEarthquakes()[0] as Earthquake;
const storedIds = Array.from({ length: storedCount }, (_, ordinal) => liveId(ordinal));

async function storeWithEvents(): Promise<Store> {
  const store = await openStore(freshPath(), { flush: 'async' });
  await store.appendBatch(storedIds.map((_, ordinal) => liveMessage(event, ordinal)));
  return store;
}

describe('the proof that nothing acknowledged was lost', () => {
  it('holds when every id is there', async () => {
    await using store = await storeWithEvents();
    const proof = await proveAcknowledged(store, storedIds);
    expect(proof).toEqual({ acknowledgedCount: storedCount, storedCount, missingByKey: [], missingByQueue: [] });
    expect(isProven(proof)).toBe(true);
  });

  it('holds when more was stored than was acknowledged', async () => {
    await using store = await storeWithEvents();
    expect(isProven(await proveAcknowledged(store, storedIds.slice(0, 10)))).toBe(true);
  });

  it('control: fails, and names it, when one id was never stored', async () => {
    await using store = await storeWithEvents();
    const lost = liveId(storedCount);
    const proof = await proveAcknowledged(store, [...storedIds, lost]);
    expect(proof.missingByKey).toEqual([lost]);
    expect(proof.missingByQueue).toEqual([lost]);
    expect(isProven(proof)).toBe(false);
  });

  it('control: fails when the message of a key holds another event', async () => {
    await using store = await storeWithEvents();
    const lost = liveId(storedCount);
    await store.append({ ...liveMessage(event, 0), keys: [lost] });
    const proof = await proveAcknowledged(store, [lost]);
    expect(proof.missingByKey).toEqual([lost]);
    expect(isProven(proof)).toBe(false);
  });

  it('control: fails when nothing was acknowledged', async () => {
    await using store = await storeWithEvents();
    expect(isProven(await proveAcknowledged(store, []))).toBe(false);
  });
});

describe('the notes of what was acknowledged', () => {
  it('gives back what was noted, and leaves out a note that was cut short', () => {
    const folder = freshPath();
    mkdirSync(folder);
    const path = join(folder, 'notes.txt');
    const notes = new AcknowledgedNotes(path);
    for (const id of storedIds) notes.note(id);
    notes.close();
    expect(readAcknowledged(path)).toEqual(storedIds);
    appendFileSync(path, liveId(storedCount).slice(0, 7));
    expect(readAcknowledged(path)).toEqual(storedIds);
  });

  it('are empty when the first one was cut short', () => {
    const folder = freshPath();
    mkdirSync(folder);
    const path = join(folder, 'notes.txt');
    appendFileSync(path, 'live-0');
    expect(readAcknowledged(path)).toEqual([]);
  });
});

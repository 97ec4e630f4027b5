import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadEarthquakes } from '../../bench/main-job/earthquakes.js';
import { makeTemplates } from '../../bench/main-job/event-templates.js';
import { clearDirectory, RefusedDirectory, requireFreeBytes } from '../../bench/main-job/run-directory.js';
import { openStore, type NewMessage } from '../../src/index.js';
import { freshPath } from './run-program.js';

const templates = makeTemplates(loadEarthquakes().slice(0, 20), 0);

async function closedStore(messages: readonly NewMessage[]): Promise<string> {
  const directory = freshPath();
  const store = await openStore(directory, { flush: 'async' });
  for (const message of messages) await store.append(message);
  await store.close();
  return directory;
}

describe('the directory of a run', () => {
  it('is left as it is when it is not there or empty', async () => {
    const directory = freshPath();
    expect(await clearDirectory(directory)).toBe(false);
    mkdirSync(directory);
    expect(await clearDirectory(directory)).toBe(false);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is cleared of an earlier run', async () => {
    const directory = await closedStore(templates.map((template) => template.original()));
    expect(await clearDirectory(directory)).toBe(true);
    expect(existsSync(directory)).toBe(false);
  });

  it('is refused when a store there has topics of its own', async () => {
    const directory = await closedStore([{ topic: 'orders', body: 'not ours' }]);
    await expect(clearDirectory(directory)).rejects.toThrow(RefusedDirectory);
    await using store = await openStore(directory, { readOnly: true });
    expect(store.bounds({ topic: 'orders' }).max).toBe(1);
  });

  it('is refused when a store there has topics of its own besides ours', async () => {
    const directory = await closedStore([...templates.map((template) => template.original()), { topic: 'orders', body: 'not ours' }]);
    await expect(clearDirectory(directory)).rejects.toThrow(RefusedDirectory);
    expect(existsSync(directory)).toBe(true);
  });

  it('is refused while a process has the store open', async () => {
    const directory = await closedStore(templates.map((template) => template.original()));
    await using store = await openStore(directory);
    await expect(clearDirectory(directory)).rejects.toThrow('in use');
    expect(store.status).toBe('open');
  });

  it('needs room on the disk', () => {
    expect(() => requireFreeBytes(freshPath(), 1)).not.toThrow();
    expect(() => requireFreeBytes(freshPath(), Number.MAX_SAFE_INTEGER)).toThrow(RefusedDirectory);
  });
});

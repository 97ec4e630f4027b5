import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type Message, openStore } from '../../../src/index.js';
import { collect, readQueue, until } from '../../contract/harness.js';
import { useTemporaryDirectory } from '../../platform/temporary-directory.js';

const temporary = useTemporaryDirectory();
const script = fileURLToPath(new URL('writer-child.ts', import.meta.url));
const children = new Set<ChildProcess>();

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

class Writer {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(directory: string, flush: string) {
    this.child = spawn(process.execPath, ['--import', 'tsx', script, directory, flush], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.add(this.child);
    const lines: Interface = createInterface({ input: this.child.stdout as NodeJS.ReadableStream });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  async answer(): Promise<string> {
    const { value } = await this.#lines.next();
    return value as string;
  }

  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  /** Settles when they are appended. */
  async write(count: number): Promise<number> {
    this.tell(String(count));
    return Number(await this.answer());
  }

  async kill(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  async close(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.tell('close');
    await gone;
  }
}

async function start(flush: string): Promise<Writer> {
  const writer = new Writer(`${temporary()}/store`, flush);
  expect(await writer.answer()).toBe('open');
  return writer;
}

function numbers(messages: readonly Message[]): number[] {
  return messages.map((message) => Number(message.body.toString('utf8').split('-')[1]));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

describe('a reader beside a writer of another process', () => {
  for (const flush of ['sync', 'async']) {
    it(`sees every message once and in order while it is written, over rolls and a kill (${flush})`, async () => {
      const writer = await start(flush);
      const reader = await openStore(`${temporary()}/store`, { readOnly: true });
      const tail = collect(reader.tail({ topic: 'T' }, { from: 'earliest' }), 4000);
      const all = collect(reader.tailAll({ from: 'earliest' }), 4000);
      for (let i = 0; i < 20; i += 1) await writer.write(100);
      await writer.kill();
      const again = await start(flush);
      for (let i = 0; i < 20; i += 1) await again.write(100);
      expect(numbers(await tail)).toEqual(upTo(4000));
      expect(numbers(await all)).toEqual(upTo(4000));
      expect(numbers(await collect(reader.findByKey({ topic: 'T', key: 'k' })))).toEqual(upTo(4000).reverse());
      expect(reader.status).toBe('open');
      await again.close();
      await reader.close();
    }, 60_000);
  }

  it('follows deletions, and copies the store meanwhile', async () => {
    const writer = await start('sync');
    const reader = await openStore(`${temporary()}/store`, { readOnly: true });
    await writer.write(4000);
    await until(() => reader.bounds({ topic: 'T' }).max === 4000);
    const copied = reader.snapshot(`${temporary()}/copy`);
    writer.tell('clean');
    await writer.answer();
    await copied;
    await until(() => reader.bounds({ topic: 'T' }).min > 0);
    const { min } = reader.bounds({ topic: 'T' });
    expect(numbers(await readQueue(reader, { topic: 'T' }, 100))).toEqual(upTo(4000).slice(min));
    const copy = await openStore(`${temporary()}/copy`);
    const first = copy.bounds({ topic: 'T' }).min;
    expect(first).toBeLessThanOrEqual(min);
    expect(numbers(await readQueue(copy, { topic: 'T' }, 100))).toEqual(upTo(4000).slice(first));
    expect(await copy.verify()).toMatchObject({ ok: true });
    await copy.close();
    await reader.close();
    await writer.close();
  }, 60_000);
});

describe('snapshots on a real file system', () => {
  it('link whole segments, stay sparse, and are left alone by what the store does later', async () => {
    const root = `${temporary()}/store`;
    const store = await openStore(root, { segmentBytes: 1024 * 1024, freeBytesMin: 0 });
    const append = async (name: string): Promise<void> => {
      await Promise.all(upTo(300).map((i) => store.append({ topic: 'T', body: `${name}-${i}-${'x'.repeat(9000)}`, keys: ['k'] })));
    };
    await append('m');
    await store.snapshot(`${temporary()}/copy`, { links: true });
    const links = readdirSync(`${temporary()}/copy/commitlog`).map((name) => statSync(`${temporary()}/copy/commitlog/${name}`).nlink);
    expect(links).toEqual([2, 2, 1]);
    const index = readdirSync(`${temporary()}/copy/index`).map((name) => statSync(`${temporary()}/copy/index/${name}`));
    expect(index.map((facts) => facts.size > 400_000_000 && facts.blocks * 512 < 40_000_000)).toEqual([true]);
    await append('later');
    const copy = await openStore(`${temporary()}/copy`, { freeBytesMin: 0 });
    expect(copy.recovery.cleanShutdown).toBe(true);
    await copy.append({ topic: 'T', body: `copy-0` });
    await copy.close();
    expect((await readQueue(store, { topic: 'T' }, 100)).map((message) => message.body.toString('utf8').split('-')[0])).toEqual([
      ...upTo(300).map(() => 'm'),
      ...upTo(300).map(() => 'later'),
    ]);
    await store.close();
  }, 60_000);

  it('is read from a directory that nobody may write to', async () => {
    const root = `${temporary()}/store`;
    const store = await openStore(root, { segmentBytes: 64 * 1024, freeBytesMin: 0 });
    await Promise.all(upTo(500).map((i) => store.append({ topic: 'T', body: `m-${i}-${'x'.repeat(200)}` })));
    await store.snapshot(`${temporary()}/copy`);
    await store.close();
    const protect = (path: string): void => {
      if (statSync(path).isDirectory()) {
        for (const name of readdirSync(path)) protect(`${path}/${name}`);
        chmodSync(path, 0o500);
      } else chmodSync(path, 0o400);
    };
    const release = (path: string): void => {
      chmodSync(path, 0o700);
      for (const name of readdirSync(path)) if (statSync(`${path}/${name}`).isDirectory()) release(`${path}/${name}`);
    };
    protect(`${temporary()}/copy`);
    const reader = await openStore(`${temporary()}/copy`, { readOnly: true });
    expect(numbers(await readQueue(reader, { topic: 'T' }, 100))).toEqual(upTo(500));
    expect(await reader.verify()).toMatchObject({ ok: true, recordCount: 500 });
    await reader.close();
    release(`${temporary()}/copy`);
  });
});

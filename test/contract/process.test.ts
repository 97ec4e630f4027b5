import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FlushMode, Message } from '../../src/index.js';
import { openStore } from '../../src/index.js';
import { collect, failure, randomFrom, readLog, text } from './harness.js';

const child = fileURLToPath(new URL('writer-child.ts', import.meta.url));
let folder = '';
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stratalog-contract-'));
});
afterEach(async () => {
  for (const started of children.splice(0)) await kill(started);
  rmSync(folder, { recursive: true, force: true });
});

async function kill(started: ChildProcess): Promise<void> {
  if (started.exitCode !== null || started.signalCode !== null) return;
  started.kill('SIGKILL');
  await once(started, 'exit');
}

async function startWriter(flush: FlushMode, firstId: number): Promise<ChildProcess> {
  const started = spawn(
    process.execPath,
    ['--import', 'tsx', child, join(folder, 'store'), join(folder, 'oracle'), flush, String(firstId)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  children.push(started);
  await Promise.race([
    once(started.stdout, 'data'),
    once(started, 'exit').then(([code]) => Promise.reject(new Error(`the writer ended with ${String(code)}`))),
  ]);
  return started;
}

interface Promised {
  readonly id: number;
  readonly physicalOffset: number;
  readonly queueId: number;
  readonly queueOffset: number;
}

function promised(): { readonly tried: ReadonlySet<number>; readonly kept: readonly Promised[] } {
  const lines = readFileSync(join(folder, 'oracle'), 'utf8').split('\n').slice(0, -1);
  const tried = new Set(lines.filter((line) => line.startsWith('?')).map((line) => Number(line.slice(2))));
  const kept = lines
    .filter((line) => line.startsWith('!'))
    .map((line) => line.split(' ').slice(1).map(Number) as [number, number, number, number])
    .map(([id, physicalOffset, queueId, queueOffset]) => ({ id, physicalOffset, queueId, queueOffset }));
  return { tried, kept };
}

const bodyOf = (id: number): string => `${id}:`.padEnd(10 + ((id * 7919) % 700), `${id}.`);

async function check(flush: FlushMode): Promise<number> {
  const store = await openStore(join(folder, 'store'), { flush, freeBytesMin: 0 });
  const { tried, kept } = promised();
  const log = new Map<number, Message>();
  const ids = new Set<number>();
  for (const message of await readLog(store)) {
    const id = Number.parseInt(text(message), 10);
    expect(tried.has(id)).toBe(true);
    expect(ids.has(id)).toBe(false);
    ids.add(id);
    expect(text(message)).toBe(bodyOf(id));
    log.set(message.physicalOffset, message);
  }
  for (const { id, physicalOffset, queueId, queueOffset } of kept) {
    const message = log.get(physicalOffset);
    expect([id, message && text(message), message?.queueId, message?.queueOffset]).toEqual([id, bodyOf(id), queueId, queueOffset]);
  }
  for (const { id } of kept.slice(-30)) {
    expect((await collect(store.findByKey({ topic: 'T', key: `k-${id}` }))).map(text)).toEqual([bodyOf(id)]);
  }
  for (let queueId = 0; queueId < 8; queueId += 1) {
    const queue = await collect(store.tail({ topic: 'T', queueId }, { from: 'earliest', until: 'end' }));
    expect(queue.map((message) => message.queueOffset)).toEqual(queue.map((_, i) => i));
  }
  expect((await store.verify()).faults).toEqual([]);
  await store.close();
  return Math.max(-1, ...tried) + 1;
}

describe('a writer that is killed', () => {
  for (const flush of ['sync', 'async'] as const) {
    it(`loses nothing that it promised, in ten cycles (${flush})`, { timeout: 180_000 }, async () => {
      const random = randomFrom(flush === 'sync' ? 11 : 12);
      let firstId = 0;
      writeFileSync(join(folder, 'oracle'), '');
      for (let cycle = 0; cycle < 10; cycle += 1) {
        const writer = await startWriter(flush, firstId);
        await new Promise((resolve) => setTimeout(resolve, random(120)));
        await kill(writer);
        firstId = await check(flush);
      }
      expect(promised().kept.length).toBeGreaterThan(50);
    });
  }

  it('while it lives holds the lock: STORE_LOCKED with its pid; a reader follows it; afterwards the lock is free', {
    timeout: 60_000,
  }, async () => {
    writeFileSync(join(folder, 'oracle'), '');
    const writer = await startWriter('sync', 0);
    const error = await failure(() => openStore(join(folder, 'store'), { freeBytesMin: 0 }));
    expect(error).toMatchObject({ code: 'STORE_LOCKED', retryable: true, pid: writer.pid });
    const reader = await openStore(join(folder, 'store'), { readOnly: true });
    const seen = await collect(reader.tailAll({ from: 'earliest' }), 300);
    expect(new Set(seen.map((message) => message.physicalOffset)).size).toBe(300);
    for (const message of seen) expect(text(message)).toBe(bodyOf(Number.parseInt(text(message), 10)));
    await kill(writer);
    await reader.close();
    await check('sync');
  });
});

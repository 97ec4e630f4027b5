import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../src/index.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { Dice } from './common/dice.js';
import { compare } from './oracle/compare.js';
import { messageOf } from './oracle/messages.js';
import { Promises } from './oracle/promises.js';

/** The oracle of the crash benches, with a store that is as it should be and notes that are not. */
const bodyBytesMax = 300;
let folder = '';
let store: Store;
let promises: Promises;
let lives = 0;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stratalog-oracle-'));
  store = await openStore('/store', {
    platform: memoryPlatform(),
    segmentBytes: 4096,
    queueEntriesPerFile: 8,
    indexSlotCount: 7,
    indexEntryCount: 30,
    freeBytesMin: 0,
  });
  promises = new Promises(true);
  lives = 0;
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Takes in a life that has told these lines. */
function tell(...lines: readonly string[]): readonly string[] {
  lives += 1;
  const path = join(folder, `notes-${lives}`);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  return promises.read(path, Number.POSITIVE_INFINITY).errors;
}

/** Stores messages `from` to `to`, and returns what a process would have told of it. */
async function append(from: number, to: number): Promise<string[]> {
  const lines: string[] = [];
  for (let id = from; id < to; id += 1) {
    const { physicalOffset, queueOffset } = await store.append(messageOf(id, bodyBytesMax));
    lines.push(`? ${id} append 1`, `! ${id} d ${physicalOffset} ${queueOffset}`);
  }
  return lines;
}

async function findings(powerCut = false): Promise<string> {
  return (await compare(store, promises, { powerCut, bodyBytesMax, dice: new Dice(1) })).join('; ');
}

describe('the oracle', () => {
  it('is content with a store that holds what was acknowledged, and twice so', async () => {
    expect(tell(...(await append(0, 40)))).toEqual([]);
    expect(await findings()).toBe('');
    expect(tell(...(await append(40, 60)))).toEqual([]);
    expect(await findings(true)).toBe('');
    expect(promises.acknowledgedCount).toBe(60);
  });

  it('finds an acknowledged message that is not there', async () => {
    tell(...(await append(0, 5)), '? 5 append 1', '! 5 d 5000 1');
    expect(await findings(true)).toMatch(/LOST: message 5 at 5000/);
  });

  it('lets a power cut take what was only written, and a kill not', async () => {
    tell(...(await append(0, 5)), '? 5 append 1', '! 5 w 5000 0');
    expect(await findings(true)).not.toContain('LOST');
  });

  it('holds a kill to what was written', async () => {
    tell(...(await append(0, 5)), '? 5 append 1', '! 5 w 5000 1');
    expect(await findings(false)).toContain('LOST: message 5');
  });

  it('holds a power cut to what was flushed, read, or found by an earlier opening', async () => {
    tell(...(await append(0, 2)), '? 2 append 1', '! 2 w - -', '? 3 append 1', '? 4 append 1', '! 4 w - -', 'f 3', 'v 3');
    tell('p opening', 'p open');
    const found = await findings(true);
    for (const id of [2, 3, 4]) expect(found).toContain(`LOST: message ${id}`);
  });

  it('does not hold a process to what it told after it had been frozen', async () => {
    const lines = await append(0, 3);
    const path = join(folder, 'notes');
    const before = `${lines.join('\n')}\n`;
    writeFileSync(path, `${before}? 3 append 1\n! 3 d 5000 1\nv 3\nf 4\nS none\n`);
    expect(promises.read(path, Buffer.byteLength(before)).errors).toEqual([]);
    expect(await findings(true)).toBe('');
  });

  it('finds a message that nobody sent, and one that was refused', async () => {
    await append(0, 2);
    tell('? 0 append 1', 'x 0 no DISK_FULL');
    const found = await findings();
    expect(found).toContain('message 0 was refused as not stored and is there');
    expect(found).toContain('that nobody sent (1)');
  });

  it('finds a gap, whatever was acknowledged', async () => {
    const lines = await append(0, 3);
    await append(4, 5);
    tell(...lines, '? 3 append 1', '? 4 append 1');
    expect(await findings(true)).toContain('a gap: message 4 is there, message 3');
  });

  it('finds a torn batch', async () => {
    await append(0, 2);
    tell('? 0 batch 3');
    expect(await findings(true)).toContain('the batch that begins with message 0 is torn');
  });

  it('finds messages in another order than that of the calls', async () => {
    await append(1, 2);
    await append(0, 1);
    tell('? 0 append 1', '? 1 append 1');
    expect(await findings()).toContain('message 0 lies behind message 1');
  });

  it('finds a message that has come back', async () => {
    tell('? 0 append 1');
    expect(await findings()).toBe('');
    await append(0, 1);
    expect(await findings()).toContain('has come back');
  });

  it('finds another place than the receipt said, and another body', async () => {
    const { physicalOffset } = await store.append({ ...messageOf(0, bodyBytesMax), body: '0:another' });
    tell('? 0 append 1', `! 0 d ${physicalOffset + 1} 7`);
    const found = await findings();
    expect(found).toContain('another body');
    expect(found).toContain('its receipt said 1');
    expect(found).toContain('its receipt said 7');
  });

  for (const [asked, expected] of [
    [['c 8192'], ''],
    [[], 'cleaning was asked for up to 0 only'],
  ] as const) {
    it(`lets cleaning take what it was asked to take, and no more (${asked.length === 0 ? 'not asked' : asked.join()})`, async () => {
      tell(...(await append(0, 60)), ...asked);
      expect((await store.clean({ before: 8192 })).deletedSegmentCount).toBe(2);
      const found = await findings();
      if (expected === '') expect(found).toBe('');
      else expect(found).toContain(expected);
    });
  }

  it('tells an acknowledgement that was taken back', () => {
    expect(tell('? 0 append 1', '! 0 d 0 0', 'x 0 no STORE_FAILED')).toEqual(['message 0 was acknowledged and then refused']);
    expect(tell('v 9')).toEqual(['a reader was given message 9, which is unknown']);
  });

  it('takes half a line for none', async () => {
    const lines = await append(0, 2);
    writeFileSync(join(folder, 'half'), `${lines.join('\n')}\n! 1 d 99`);
    expect(promises.read(join(folder, 'half'), Number.POSITIVE_INFINITY).errors).toEqual([]);
    expect(await findings()).toBe('');
  });
});

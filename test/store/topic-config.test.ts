import { describe, expect, it } from 'vitest';
import { parseRocketmqJson } from '../../src/format/rocketmq-json.js';
import { StorePaths } from '../../src/recovery/side-files.js';
import { TopicConfig } from '../../src/store/topic-config.js';
import { manualClock, type MemoryPlatform, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { contents, createFile, filesBelow, readFile, writeInto } from '../contract/disk-surgery.js';
import { openTiny, root, systemError } from '../contract/harness.js';

const paths = new StorePaths(root);
const path = `${paths.config}/topics.json`;

async function prepared(text?: string): Promise<{ platform: MemoryPlatform; config: TopicConfig }> {
  const platform = memoryPlatform({ clock: manualClock(5000) });
  for (const folder of [paths.config, paths.making]) await platform.fs.makeDirectory(folder);
  if (text !== undefined) await createFile(platform, path, Buffer.from(text));
  return { platform, config: new TopicConfig(platform, paths) };
}

/** The file as plain objects. */
async function parsed(platform: MemoryPlatform): Promise<unknown> {
  const plain = (value: unknown): unknown =>
    value instanceof Map
      ? Object.fromEntries([...value].map(([name, each]) => [name, plain(each)]))
      : Array.isArray(value)
        ? value.map(plain)
        : value;
  return plain(parseRocketmqJson(await readFile(platform, path)));
}

describe('config/topics.json', () => {
  it('has every topic with as many queues as it needs, as a broker writes it', async () => {
    const { platform, config } = await prepared();
    await config.update(new Map([['T', 4]]));
    expect(await parsed(platform)).toEqual({
      topicConfigTable: {
        T: {
          attributes: {},
          order: false,
          perm: 6,
          topicFilterType: 'SINGLE_TAG',
          topicName: 'T',
          topicSysFlag: 0,
          readQueueNums: 4,
          writeQueueNums: 4,
        },
      },
      dataVersion: { counter: 1, stateVersion: 0, timestamp: 5000 },
    });
  });

  it('keeps what a broker has written, unknown fields and its dialect included', async () => {
    const { platform, config } = await prepared(
      '{"dataVersion":{"counter":7,"stateVersion":2,"timestamp":1},"extra":{5:"x"},"topicConfigTable":{"T":{"perm":4,"readQueueNums":2,"writeQueueNums":16,"unknown":[1,2]},"Other":{"order":true}}}',
    );
    await config.update(new Map([['T', 8]]));
    expect(await parsed(platform)).toEqual({
      dataVersion: { counter: 8, stateVersion: 2, timestamp: 5000 },
      extra: { 5: 'x' },
      topicConfigTable: { T: { perm: 4, readQueueNums: 8, writeQueueNums: 16, unknown: [1, 2] }, Other: { order: true } },
    });
  });

  it('is written only where there is news', async () => {
    const { platform, config } = await prepared();
    await config.update(new Map([['T', 4]]));
    const before = await contents(platform, root);
    await config.update(new Map([['T', 4]]));
    await config.update(new Map([['T', 3]]));
    expect(await contents(platform, root)).toEqual(before);
    const again = new TopicConfig(platform, paths);
    await again.update(new Map([['T', 2]]));
    expect(await contents(platform, root)).toEqual(before);
    await again.update(
      new Map([
        ['T', 5],
        ['U', 1],
      ]),
    );
    expect(await parsed(platform)).toMatchObject({
      topicConfigTable: { T: { readQueueNums: 5, writeQueueNums: 5 }, U: { readQueueNums: 1 } },
      dataVersion: { counter: 2 },
    });
  });

  for (const [what, text] of Object.entries({ 'no JSON': '{"topicConfig', 'no object': '[1]', zeros: '\0'.repeat(100), 'a number': '5' })) {
    it(`of ${what} is put aside, never deleted, and made anew`, async () => {
      const { platform, config } = await prepared(text);
      await config.update(new Map([['T', 1]]));
      const aside = filesBelow(platform, paths.aside);
      expect(aside).toHaveLength(1);
      expect((await readFile(platform, aside[0]!)).toString()).toBe(text);
      expect(await parsed(platform)).toMatchObject({ topicConfigTable: { T: { readQueueNums: 1 } } });
    });
  }

  it('that is too large to be read is put aside as well', async () => {
    const { platform, config } = await prepared('{"topicConfigTable":{}}');
    await writeInto(platform, path, Buffer.from(' '), 64 * 1024 * 1024);
    await config.update(new Map([['T', 1]]));
    expect((await readFile(platform, filesBelow(platform, paths.aside)[0]!)).length).toBe(64 * 1024 * 1024 + 1);
    expect(await parsed(platform)).toMatchObject({ topicConfigTable: { T: { readQueueNums: 1 } } });
  });

  it('of no bytes, or whose parts are of another kind, is filled', async () => {
    for (const text of [
      '',
      '{}',
      '{"topicConfigTable":5,"dataVersion":null}',
      '{"topicConfigTable":{"T":"x"},"dataVersion":{"counter":"x"}}',
      '{"topicConfigTable":{"T":{"readQueueNums":"9"}}}',
    ]) {
      const { platform, config } = await prepared(text);
      await config.update(new Map([['T', 3]]));
      expect(await parsed(platform)).toMatchObject({
        topicConfigTable: { T: { readQueueNums: 3, writeQueueNums: 3 } },
        dataVersion: { counter: 1 },
      });
    }
  });

  it('is whole, old or new, wherever replacing it fails; and it is tried again', async () => {
    for (let nth = 1; nth < 12; nth += 1) {
      const { platform } = await prepared('{"topicConfigTable":{"Old":{"readQueueNums":1,"writeQueueNums":1}}}');
      let failing = true;
      const config = new TopicConfig(
        withFaults(platform, (call) => (failing && call.number === nth ? systemError('ENOSPC') : undefined)),
        paths,
      );
      const failed = await config.update(new Map([['New', 1]])).then(
        () => false,
        () => true,
      );
      expect(await parsed(platform)).toMatchObject({ topicConfigTable: { Old: { readQueueNums: 1 } } });
      failing = false;
      await config.update(new Map([['New', 1]]));
      expect(await parsed(platform)).toMatchObject({ topicConfigTable: { Old: { readQueueNums: 1 }, New: { readQueueNums: 1 } } });
      if (!failed) break;
    }
  });

  it('of a store that is closed names every stored topic, with queue counts above its highest queue id', async () => {
    const platform = memoryPlatform();
    const store = await openTiny(platform);
    for (const queueId of [0, 5, 2]) await store.append({ topic: 'T', queueId, body: 'x' });
    await store.append({ topic: 'U', body: 'x' });
    // Asked for, but never written to.
    await store.read({ topic: 'Empty' }, { from: 'earliest' });
    await store.close();
    expect(await parsed(platform)).toMatchObject({
      topicConfigTable: { T: { readQueueNums: 6, writeQueueNums: 6 }, U: { readQueueNums: 1 } },
    });
    expect(Object.keys((await parsed(platform)) as { topicConfigTable: object }).length).toBe(2);
    expect(Object.keys(((await parsed(platform)) as { topicConfigTable: object }).topicConfigTable).sort()).toEqual(['T', 'U']);
  });
});

import { describe, expect, it } from 'vitest';
import { type ConsumerGroup, readConsumerGroups, writeConsumerGroups } from '../../src/index.js';
import { manualClock, type MemoryPlatform, memoryPlatform, withFaults } from '../../src/testing/index.js';
import { createFile, readFile, writeInto } from '../contract/disk-surgery.js';
import { failure, openTiny, refusal, root, systemError } from '../contract/harness.js';

const offsetPath = `${root}/config/consumerOffset.json`;
const groupPath = `${root}/config/subscriptionGroup.json`;
const groups: readonly ConsumerGroup[] = [
  {
    name: 'billing',
    positions: [
      { topic: 'orders', queueId: 0, next: 12 },
      { topic: 'orders', queueId: 1, next: 0 },
    ],
  },
  { name: 'mail', positions: [{ topic: 'orders', next: 2 ** 40 }] },
];

async function withStore(): Promise<MemoryPlatform> {
  const platform = memoryPlatform({ clock: manualClock(5000) });
  const store = await openTiny(platform);
  await store.append({ topic: 'orders', body: 'x' });
  await store.close();
  return platform;
}

describe('the positions of groups of consumers, as a broker keeps them', () => {
  it('what is written is what a broker writes: integer keys without quotes, a group with its defaults', async () => {
    const platform = await withStore();
    await writeConsumerGroups(root, groups.slice(0, 1), { platform });
    expect((await readFile(platform, offsetPath)).toString()).toBe(
      '{\n\t"dataVersion":{\n\t\t"counter":1,\n\t\t"stateVersion":0,\n\t\t"timestamp":5000\n\t},\n\t"offsetTable":{\n\t\t"orders@billing":{0:12,1:0\n\t\t}\n\t}\n}',
    );
    const text = (await readFile(platform, groupPath)).toString();
    expect(text).toContain('"billing":{\n\t\t\t"brokerId":0,\n\t\t\t"consumeBroadcastEnable":true,\n\t\t\t"consumeEnable":true');
    expect(text).toContain('"groupName":"billing"');
  });

  it('what is written is read again, and a second writing changes only what it names', async () => {
    const platform = await withStore();
    await writeConsumerGroups(root, groups, { platform });
    await writeConsumerGroups(root, [{ name: 'billing', positions: [{ topic: 'orders', queueId: 1, next: 7 }] }], { platform });
    expect(await readConsumerGroups(root, { platform })).toEqual([
      {
        name: 'billing',
        positions: [
          { topic: 'orders', queueId: 0, next: 12 },
          { topic: 'orders', queueId: 1, next: 7 },
        ],
      },
      { name: 'mail', positions: [{ topic: 'orders', queueId: 0, next: 2 ** 40 }] },
    ]);
  });

  it('what a broker has written besides is kept, and its quoted and unquoted queue ids are the same queue', async () => {
    const platform = await withStore();
    await createFile(
      platform,
      offsetPath,
      Buffer.from('{"dataVersion":{"counter":7},"extra":[1],"offsetTable":{"orders@billing":{"0":3,4:9},"bad":{0:1}}}'),
    );
    await createFile(platform, groupPath, Buffer.from('{"subscriptionGroupTable":{"billing":{"retryMaxTimes":3}}}'));
    await writeConsumerGroups(root, groups, { platform });
    const text = (await readFile(platform, offsetPath)).toString();
    expect(text).toContain('"counter":8');
    expect(text).toContain('"extra":[1]');
    expect(text).toContain('"orders@billing":{0:12,1:0,4:9');
    expect((await readFile(platform, groupPath)).toString()).toContain('"billing":{\n\t\t\t"retryMaxTimes":3\n\t\t}');
  });

  it('a store in use is refused, with nothing changed; reading goes on', async () => {
    const platform = await withStore();
    const store = await openTiny(platform);
    expect(await refusal(() => writeConsumerGroups(root, groups, { platform }))).toBe('STORE_LOCKED');
    expect(await readConsumerGroups(root, { platform })).toEqual([]);
    await store.close();
    await writeConsumerGroups(root, groups, { platform });
    expect(await readConsumerGroups(root, { platform })).toHaveLength(2);
  });

  it('where there is no store nothing is made', async () => {
    const platform = memoryPlatform({ clock: manualClock(5000) });
    expect(await refusal(() => writeConsumerGroups(root, groups, { platform }))).toBe('STORE_NOT_FOUND');
    expect(await refusal(() => readConsumerGroups(root, { platform }))).toBe('STORE_NOT_FOUND');
    expect(platform.fs.exists(root)).toBe(false);
  });

  it('a file that no broker wrote is refused with its path, and stays as it is', async () => {
    const platform = await withStore();
    for (const content of ['{"offsetTable":', '[]', '\u0000\u0000']) {
      if (platform.fs.exists(offsetPath)) await platform.fs.remove(offsetPath);
      await createFile(platform, offsetPath, Buffer.from(content));
      expect(await refusal(() => writeConsumerGroups(root, groups, { platform }))).toBe('CORRUPT');
      expect(await refusal(() => readConsumerGroups(root, { platform }))).toBe('CORRUPT');
      expect((await readFile(platform, offsetPath)).toString()).toBe(content);
      expect(platform.fs.exists(groupPath)).toBe(false);
    }
  });

  it('a file too large to be read is refused as well, not taken for none', async () => {
    for (const path of [offsetPath, groupPath]) {
      const platform = await withStore();
      await createFile(platform, path, Buffer.from('{"offsetTable":{"orders@other":{0:7}}}'));
      await writeInto(platform, path, Buffer.from(' '), 64 * 1024 * 1024);
      expect(await failure(() => writeConsumerGroups(root, groups, { platform }))).toMatchObject({ code: 'CORRUPT', path });
      if (path === offsetPath) expect(await refusal(() => readConsumerGroups(root, { platform }))).toBe('CORRUPT');
      expect((await readFile(platform, path)).toString('latin1', 0, 38)).toBe('{"offsetTable":{"orders@other":{0:7}}}');
    }
  });

  it('what a broker could not hold is refused before anything is written', async () => {
    const platform = await withStore();
    const position = { topic: 'orders', next: 0 };
    const wrong: readonly (readonly [ConsumerGroup, string])[] = [
      [{ name: '', positions: [position] }, 'TypeError'],
      [{ name: 'a@b', positions: [position] }, 'TypeError'],
      [{ name: 'g'.repeat(256), positions: [position] }, 'RangeError'],
      [{ name: 'g', positions: [{ topic: '../x', next: 0 }] }, 'TypeError'],
      [{ name: 'g', positions: [{ topic: 'orders', queueId: -1, next: 0 }] }, 'RangeError'],
      [{ name: 'g', positions: [{ topic: 'orders', next: -1 }] }, 'RangeError'],
      [{ name: 'g', positions: [{ topic: 'orders', next: 1.5 }] }, 'RangeError'],
    ];
    for (const [group, error] of wrong) {
      expect(await refusal(() => writeConsumerGroups(root, [...groups, group], { platform }))).toContain(error);
    }
    expect(platform.fs.exists(offsetPath)).toBe(false);
  });

  it('a full disk leaves the file as it was, and the lock free', async () => {
    const platform = await withStore();
    await writeConsumerGroups(root, groups, { platform });
    const before = (await readFile(platform, offsetPath)).toString();
    const faulty = withFaults(platform, (call) => (call.op === 'write' ? systemError('ENOSPC') : undefined));
    expect(
      await refusal(() => writeConsumerGroups(root, [{ name: 'new', positions: [{ topic: 'orders', next: 1 }] }], { platform: faulty })),
    ).toBe('DISK_FULL');
    expect((await readFile(platform, offsetPath)).toString()).toBe(before);
    await writeConsumerGroups(root, groups, { platform });
  });
});

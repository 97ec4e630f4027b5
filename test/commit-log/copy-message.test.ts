import { describe, expect, it } from 'vitest';
import { copyMessage } from '../../src/commit-log/copy-message.js';

describe('copyMessage', () => {
  it('keeps a message as it was, whatever its caller does with it later', () => {
    const body = Buffer.from('body');
    const keys = ['k'];
    const properties: Record<string, string> = { p: '1' };
    const bornHost = { address: '10.0.0.1', port: 1 };
    const bornAt = new Date(5000);
    const original = { topic: 'T', body, queueId: 3, tag: 't', keys, properties, flag: 4, bornAt, system: { sysFlag: 1, bornHost } };
    const copy = copyMessage(original, 77);
    body.fill(0);
    keys.push('more');
    properties['p'] = '2';
    bornHost.port = 2;
    bornAt.setTime(6000);
    expect(copy).toEqual({
      topic: 'T',
      body: Buffer.from('body'),
      queueId: 3,
      tag: 't',
      keys: ['k'],
      properties: { p: '1' },
      flag: 4,
      bornAt: 5000,
      system: { sysFlag: 1, bornHost: { address: '10.0.0.1', port: 1 } },
    });
  });

  it('gives a message that has no time of birth the time of the call, and nothing else that it has not', () => {
    expect(copyMessage({ topic: 'T', body: 'text' }, 77)).toEqual({ topic: 'T', body: 'text', bornAt: 77 });
  });
});

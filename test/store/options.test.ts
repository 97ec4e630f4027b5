import { describe, expect, it } from 'vitest';
import type { StoreOptions } from '../../src/index.js';
import { resolveOptions } from '../../src/store/options.js';

/** What `resolveOptions` throws; an error named `none` where it takes the options. */
function refusal(options: unknown): Error {
  try {
    resolveOptions(options as StoreOptions);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  return Object.assign(new Error(), { name: 'none' });
}

describe('options', () => {
  it('without any are the documented defaults', () => {
    expect(resolveOptions({})).toEqual({
      flush: 'sync',
      flushIntervalMs: 500,
      kept: {},
      keyIndex: true,
      recordChecksum: true,
      messageBytesMax: 4_194_304,
      pendingBytesMax: 67_108_864,
      freeBytesMin: 67_108_864,
      unflushedBytesMax: 1_073_741_824,
      openFilesMax: 256,
      retention: { maxAgeMs: undefined, maxBytes: undefined, diskUseRatioMax: undefined },
      recovery: 'strict',
      readOnly: false,
      listener: undefined,
      signal: undefined,
      storeHost: { address: '127.0.0.1', port: 10_911 },
      systemMessages: false,
      admit: undefined,
      targets: [],
    });
  });

  it('given as undefined are as if not given', () => {
    const names = Object.keys(resolveOptions({})).filter((name) => name !== 'kept');
    const kept = ['segmentBytes', 'queueEntriesPerFile', 'indexSlotCount', 'indexEntryCount', 'platform'];
    const absent = Object.fromEntries([...names, ...kept].map((name) => [name, undefined]));
    expect(resolveOptions(absent)).toEqual(resolveOptions({}));
  });

  const ranges: Record<string, readonly [number, number]> = {
    flushIntervalMs: [1, 2 ** 31 - 1],
    segmentBytes: [512, 2 ** 31 - 1],
    queueEntriesPerFile: [1, 107_374_182],
    indexSlotCount: [1, 536_870_895],
    indexEntryCount: [2, 107_374_182],
    messageBytesMax: [1, 2 ** 30],
    pendingBytesMax: [1, Number.MAX_SAFE_INTEGER],
    freeBytesMin: [0, Number.MAX_SAFE_INTEGER],
    unflushedBytesMax: [1, Number.MAX_SAFE_INTEGER],
    openFilesMax: [4, 1_000_000],
    'retention.maxAgeMs': [0, Number.MAX_SAFE_INTEGER],
    'retention.maxBytes': [0, Number.MAX_SAFE_INTEGER],
  };
  const given = (name: string, value: unknown): unknown => {
    const [outer = '', inner] = name.split('.');
    return { [outer]: inner === undefined ? value : { [inner]: value } };
  };

  for (const [name, [min, max]] of Object.entries(ranges)) {
    it(`${name} is a whole number from ${min} to ${max}`, () => {
      for (const value of [min, max]) expect(refusal(given(name, value)).name).toBe('none');
      for (const value of [min - 1, max + 1, min + 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        const error = refusal(given(name, value));
        expect(error).toBeInstanceOf(RangeError);
        expect(error.message).toContain(`${name} must be a whole number from ${min} to ${max}`);
      }
      for (const value of ['1', null, 1n, {}, true]) {
        const error = refusal(given(name, value));
        expect(error).toBeInstanceOf(TypeError);
        expect(error.message).toContain(`${name} must be a number`);
      }
    });
  }

  for (const [name, allowed] of Object.entries({ flush: ['sync', 'async'], recovery: ['strict', 'skip', 'truncate'] })) {
    it(`${name} is one of ${allowed.join(', ')}`, () => {
      for (const value of allowed) expect(resolveOptions({ [name]: value })).toMatchObject({ [name]: value });
      for (const value of ['', 'Sync', 'none']) {
        expect(refusal({ [name]: value })).toBeInstanceOf(RangeError);
        expect(refusal({ [name]: value }).message).toContain(`${name} must be one of ${allowed.join(', ')}`);
      }
      for (const value of [1, null, true, []]) expect(refusal({ [name]: value })).toBeInstanceOf(TypeError);
    });
  }

  for (const name of ['keyIndex', 'recordChecksum', 'readOnly', 'systemMessages']) {
    it(`${name} is true or false`, () => {
      for (const value of [true, false]) expect(resolveOptions({ [name]: value })).toMatchObject({ [name]: value });
      for (const value of [0, 1, 'true', null]) {
        expect(refusal({ [name]: value })).toBeInstanceOf(TypeError);
        expect(refusal({ [name]: value }).message).toContain(`${name} must be true or false`);
      }
    });
  }

  it('retention.diskUseRatioMax is above 0 and at most 1', () => {
    for (const value of [0.000_1, 0.5, 1])
      expect(resolveOptions({ retention: { diskUseRatioMax: value } }).retention.diskUseRatioMax).toBe(value);
    for (const value of [0, -0.1, 1.000_1, Number.NaN])
      expect(refusal({ retention: { diskUseRatioMax: value } })).toBeInstanceOf(RangeError);
    expect(refusal({ retention: { diskUseRatioMax: '0.5' } })).toBeInstanceOf(TypeError);
  });

  it('storeHost has an address of digits and a port', () => {
    for (const storeHost of [
      { address: '10.0.0.1', port: 0 },
      { address: '::1', port: 65_535 },
    ]) {
      expect(resolveOptions({ storeHost }).storeHost).toEqual(storeHost);
    }
    for (const storeHost of [
      { address: 'localhost', port: 1 },
      { address: '', port: 1 },
      { address: '1.2.3', port: 1 },
      { address: '::1', port: 65_536 },
      { address: '::1', port: -1 },
      { address: '::1', port: 0.5 },
    ]) {
      expect(refusal({ storeHost })).toBeInstanceOf(RangeError);
    }
    for (const storeHost of [null, 'localhost', [], {}, { address: 1, port: 1 }, { address: '::1' }, { address: '::1', port: '1' }]) {
      expect(refusal({ storeHost })).toBeInstanceOf(TypeError);
    }
  });

  it('what is called back is a function, what is an object is one', () => {
    const listener = { onSegmentRolled: () => undefined, onFailed: undefined };
    expect(resolveOptions({ listener }).listener).toBe(listener);
    const { signal } = new AbortController();
    expect(resolveOptions({ signal }).signal).toBe(signal);
    for (const options of [
      { listener: 5 },
      { listener: null },
      { listener: [] },
      { listener: { onFlushed: 'x' } },
      { retention: 5 },
      { retention: null },
      { admit: 'x' },
      { signal: {} },
      { targets: {} },
      { targets: [5] },
      { targets: [null] },
      { targets: [{ from: () => 0, dispatch: () => 0, sync: () => 0 }] },
      { targets: [{ name: 'x', from: () => 0, dispatch: () => 0 }] },
      null,
      'x',
      5,
    ]) {
      expect([options, refusal(options) instanceof TypeError]).toEqual([options, true]);
    }
  });

  it('a target has a name and its three functions', () => {
    const target = { name: 'mine', from: () => 0, dispatch: () => undefined, sync: async () => await Promise.resolve() };
    expect(resolveOptions({ targets: [target] }).targets).toEqual([target]);
    for (const method of ['from', 'dispatch', 'sync']) {
      expect(refusal({ targets: [{ ...target, [method]: undefined }] }).message).toContain(`target mine: ${method}`);
    }
  });

  const typos: Record<string, string | undefined> = {
    segmentbytes: 'segmentBytes',
    segmentByte: 'segmentBytes',
    segmentSize: undefined,
    flushInterval: 'flushIntervalMs',
    readonly: 'readOnly',
    recover: 'recovery',
    listeners: 'listener',
    xyzzy: undefined,
    q: undefined,
  };
  for (const [typo, meant] of Object.entries(typos)) {
    it(`an option ${typo} is refused${meant === undefined ? ' without a guess' : `, and ${meant} suggested`}`, () => {
      const { message } = refusal({ [typo]: 1 });
      expect(refusal({ [typo]: 1 })).toBeInstanceOf(TypeError);
      expect(message).toContain(`unknown option "${typo}"`);
      expect(/did you mean (\w+)/.exec(message)?.[1]).toBe(meant);
    });
  }

  it('unknown names inside retention and listener are refused too', () => {
    expect(refusal({ retention: { maxAge: 5 } }).message).toContain('did you mean maxAgeMs');
    expect(refusal({ listener: { onRolled: () => undefined } }).message).toContain('unknown listener "onRolled"');
    expect(refusal({ listener: { onflushed: () => undefined } }).message).toContain('did you mean onFlushed');
  });
});

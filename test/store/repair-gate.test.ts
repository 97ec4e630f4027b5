import { describe, expect, it } from 'vitest';
import { RepairGate } from '../../src/store/repair-gate.js';
import { deferred } from '../../src/base/deferred.js';
import { memoryPlatform } from '../../src/testing/index.js';
import { aroundCalls } from '../contract/around-calls.js';
import { openTiny, refusal, root, turns, until } from '../contract/harness.js';

const never = new AbortController().signal;

/** What has been let in so far, by name. */
function entering(gate: RepairGate): { readonly inside: string[]; enter(name: string, signal?: AbortSignal): Promise<() => void> } {
  const inside: string[] = [];
  return {
    inside,
    enter: async (name, signal = never) => {
      const leave = await (name.startsWith('repair') ? gate.forRepair(signal) : gate.forCopying(signal));
      inside.push(name);
      return leave;
    },
  };
}

describe('RepairGate', () => {
  it('lets in one repair at a time, or any number of copies', async () => {
    const { inside, enter } = entering(new RepairGate());
    const leaves = [await enter('copy 1'), await enter('copy 2')];
    const first = enter('repair 1');
    const second = enter('repair 2');
    leaves[0]?.();
    await turns(5);
    expect(inside).toEqual(['copy 1', 'copy 2']);
    leaves[1]?.();
    const leaveFirst = await first;
    const third = enter('copy 3');
    await turns(5);
    expect(inside).toEqual(['copy 1', 'copy 2', 'repair 1']);
    leaveFirst();
    const leave = await Promise.race([second, third]);
    await turns(5);
    leave();
    (await second)();
    (await third)();
    expect([...inside].sort()).toEqual(['copy 1', 'copy 2', 'copy 3', 'repair 1', 'repair 2']);
  });

  it('keeps nobody who does not want to wait any more', async () => {
    const { inside, enter } = entering(new RepairGate());
    const leave = await enter('copy');
    const abort = new AbortController();
    const waiting = refusal(() => enter('repair', abort.signal));
    await turns(5);
    abort.abort(new Error('enough'));
    expect(await waiting).toBe('Error: enough');
    expect(await refusal(() => enter('repair', abort.signal))).toBe('Error: enough');
    leave();
    await turns(5);
    expect(inside).toEqual(['copy']);
    (await enter('repair'))();
  });

  it('lets a second snapshot be made, a repair be aborted and the store be closed while a first snapshot stands still', async () => {
    const gate = deferred();
    let isHeld = false;
    const platform = aroundCalls(memoryPlatform(), (op, path, call) => {
      if (op !== 'copy' || isHeld || !path.startsWith(`${root}/commitlog`)) return call();
      isHeld = true;
      return gate.promise.then(() => call());
    });
    const store = await openTiny(platform);
    for (let i = 0; i < 60; i += 1) await store.append({ topic: 'T', body: 'x'.padEnd(100, '.') });
    const first = refusal(() => store.snapshot('/first'));
    await until(() => isHeld);
    await store.snapshot('/second');
    const abort = new AbortController();
    const aborted = refusal(() => store.repair({ signal: abort.signal }));
    const closed = refusal(() => store.repair());
    await turns(50);
    abort.abort(new Error('enough'));
    expect(await aborted).toBe('Error: enough');
    await store.close();
    expect(await closed).toBe('STORE_CLOSED');
    gate.resolve();
    expect(await first).toBe('STORE_CLOSED');
  });
});

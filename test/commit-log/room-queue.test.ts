import { describe, expect, it } from 'vitest';
import { RoomQueue } from '../../src/commit-log/room-queue.js';

describe('RoomQueue', () => {
  it('serves from the front until one cannot be taken', () => {
    const queue = new RoomQueue();
    const taken: string[] = [];
    let room = 2;
    for (const name of ['a', 'b', 'c']) {
      queue.add(
        () => {
          if (room === 0) return false;
          room -= 1;
          taken.push(name);
          return true;
        },
        () => undefined,
        undefined,
      );
    }
    queue.serve();
    expect(taken).toEqual(['a', 'b']);
    expect(queue.isEmpty).toBe(false);
    room = 1;
    queue.serve();
    expect(taken).toEqual(['a', 'b', 'c']);
    expect(queue.isEmpty).toBe(true);
    queue.serve();
  });

  it('takes an aborted call out, with the reason of its signal', () => {
    const queue = new RoomQueue();
    const abort = new AbortController();
    const rejected: unknown[] = [];
    queue.add(
      () => expect.unreachable(),
      (reason) => rejected.push(reason),
      abort.signal,
    );
    abort.abort('enough');
    abort.abort('again');
    expect(rejected).toEqual(['enough']);
    expect(queue.isEmpty).toBe(true);
    queue.serve();
  });

  it('takes in no call that has been aborted already', () => {
    const queue = new RoomQueue();
    expect(() =>
      queue.add(
        () => true,
        () => undefined,
        AbortSignal.abort(new Error('too late')),
      ),
    ).toThrow('too late');
    expect(queue.isEmpty).toBe(true);
  });

  it('hears no signal of a call that was served or rejected', () => {
    const queue = new RoomQueue();
    const abort = new AbortController();
    const rejected: unknown[] = [];
    const add = (): void =>
      queue.add(
        () => true,
        (reason) => rejected.push(reason),
        abort.signal,
      );
    add();
    queue.serve();
    add();
    queue.rejectAll('full');
    abort.abort('enough');
    expect(rejected).toEqual(['full']);
  });

  it('goes on with the next one where a call is aborted while it is being taken', () => {
    const queue = new RoomQueue();
    const abort = new AbortController();
    const told: string[] = [];
    queue.add(
      () => {
        abort.abort('a');
        return true;
      },
      (reason) => told.push(`-${String(reason)}`),
      abort.signal,
    );
    for (const name of ['b', 'c']) {
      queue.add(
        () => {
          told.push(name);
          return true;
        },
        () => undefined,
        undefined,
      );
    }
    queue.serve();
    expect(told).toEqual(['-a', 'b', 'c']);
  });

  it('takes nothing more once all were rejected in the middle of serving', () => {
    const queue = new RoomQueue();
    const told: string[] = [];
    for (const name of ['a', 'b']) {
      queue.add(
        () => {
          told.push(name);
          queue.rejectAll('failed');
          return true;
        },
        (reason) => told.push(`-${name} ${String(reason)}`),
        undefined,
      );
    }
    queue.serve();
    expect(told).toEqual(['a', '-a failed', '-b failed']);
  });

  it('is served once at a time, and what comes meanwhile in its turn', () => {
    const queue = new RoomQueue();
    const told: string[] = [];
    const add = (name: string, more: () => void): void => {
      queue.add(
        () => {
          told.push(`${name} begins`);
          more();
          told.push(`${name} ends`);
          return true;
        },
        () => undefined,
        undefined,
      );
    };
    add('a', () => {
      add('b', () => undefined);
      queue.serve();
    });
    queue.serve();
    expect(told).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it('can be served again after a call has thrown', () => {
    const queue = new RoomQueue();
    let broken = true;
    queue.add(
      () => {
        if (broken) throw new Error('broken');
        return true;
      },
      () => undefined,
      undefined,
    );
    expect(() => queue.serve()).toThrow('broken');
    broken = false;
    queue.serve();
    expect(queue.isEmpty).toBe(true);
  });

  it('is full at 65,536 calls', () => {
    const queue = new RoomQueue();
    const add = (): void => {
      queue.assertNotFull();
      queue.add(
        () => true,
        () => undefined,
        undefined,
      );
    };
    for (let i = 0; i < 65_536; i += 1) add();
    expect(add).toThrow(expect.objectContaining({ code: 'OVERLOADED', retryable: true }));
    queue.serve();
    expect(add).not.toThrow();
  });
});

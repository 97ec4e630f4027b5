import { describe, expect, it } from 'vitest';
import { manualClock } from '../../src/testing/manual-clock.js';
import { type MemoryPlatform, memoryPlatform } from '../../src/testing/memory-platform.js';

const sectorBytes = 512;

function contentOf(platform: MemoryPlatform, path: string): Buffer {
  const file = platform.fs.open(path, 'read');
  const bytes = Buffer.alloc(file.sizeBytes());
  file.readSync(bytes, 0);
  return bytes;
}

/** A directory `/d` and, unless told otherwise, `/d/f` with `old`, all of it durable. */
async function diskWith(seed: number, old: Buffer | undefined): Promise<MemoryPlatform> {
  const platform = memoryPlatform({ seed });
  await platform.fs.makeDirectory('/d');
  await platform.fs.syncDirectory('/');
  if (old !== undefined) {
    const file = platform.fs.open('/d/f', 'create');
    file.writeSync([old], 0);
    await file.sync('data');
    await file.close();
    await platform.fs.syncDirectory('/d');
  }
  return platform;
}

/** What crashes of one history show, over many seeds. */
async function outcomes(
  seedCount: number,
  history: (seed: number) => Promise<MemoryPlatform>,
  show: (after: MemoryPlatform) => string,
): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let seed = 1; seed <= seedCount; seed += 1) seen.add(show((await history(seed)).crash('random')));
  return seen;
}

describe('the content of a file after a power cut', () => {
  it('is what was synced, however the rest fares', async () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const platform = await diskWith(seed, Buffer.alloc(5000, 1));
      const file = platform.fs.open('/d/f', 'read-write');
      file.writeSync([Buffer.alloc(1000, 2)], 1000);
      await file.sync('data');
      expect(contentOf(platform.crash('random'), '/d/f')).toEqual(
        Buffer.concat([Buffer.alloc(1000, 1), Buffer.alloc(1000, 2), Buffer.alloc(3000, 1)]),
      );
      expect(contentOf(platform.crash('synced'), '/d/f').length).toBe(5000);
    }
  });

  it('lacks with `synced` what was not synced, and has with `all` everything', async () => {
    const history = async () => {
      const platform = await diskWith(1, Buffer.alloc(2000, 1));
      const file = platform.fs.open('/d/f', 'read-write');
      file.writeSync([Buffer.alloc(3000, 2)], 1000);
      platform.fs.open('/d/g', 'create').writeSync([Buffer.from('new')], 0);
      return platform;
    };
    const synced = (await history()).crash('synced');
    expect(contentOf(synced, '/d/f')).toEqual(Buffer.alloc(2000, 1));
    expect(synced.fs.list('/d')).toEqual(['f']);
    const all = (await history()).crash('all');
    expect(contentOf(all, '/d/f')).toEqual(Buffer.concat([Buffer.alloc(1000, 1), Buffer.alloc(3000, 2)]));
    expect(contentOf(all, '/d/g').toString()).toBe('new');
  });

  it('is lost, kept or torn at 512 bytes where it was not synced, in any order of sectors', async () => {
    const sectorCount = 24;
    const history = async (seed: number) => {
      const platform = await diskWith(seed, Buffer.alloc(sectorCount * sectorBytes, 1));
      platform.fs.open('/d/f', 'read-write').writeSync([Buffer.alloc(sectorCount * sectorBytes, 2)], 0);
      return platform;
    };
    const seen = await outcomes(200, history, (after) => {
      const bytes = contentOf(after, '/d/f');
      let text = '';
      for (let at = 0; at < bytes.length; at += sectorBytes) {
        const sector = bytes.subarray(at, at + sectorBytes);
        expect(sector.every((byte) => byte === sector[0])).toBe(true);
        text += String(sector[0]);
      }
      return text;
    });
    expect(seen).toContain('1'.repeat(sectorCount));
    expect(seen).toContain('2'.repeat(sectorCount));
    expect([...seen].some((text) => /12+1/.test(text) || /21+2/.test(text))).toBe(true);
  });

  it('may be a state between two writes to the same sector', async () => {
    const history = async (seed: number) => {
      const platform = await diskWith(seed, Buffer.from('0'));
      const file = platform.fs.open('/d/f', 'read-write');
      for (const text of ['1', '2', '3']) file.writeSync([Buffer.from(text)], 0);
      return platform;
    };
    expect([...(await outcomes(300, history, (after) => contentOf(after, '/d/f').toString()))].sort()).toEqual(['0', '1', '2', '3']);
  });

  it('covers with a sync only the writes that had completed when it was issued', async () => {
    const platform = await diskWith(1, Buffer.alloc(1024, 1));
    const file = platform.fs.open('/d/f', 'read-write');
    file.writeSync([Buffer.from([2])], 0);
    const synced = file.sync('data');
    file.writeSync([Buffer.from([3])], 0);
    file.writeSync([Buffer.from([3])], 512);
    await synced;
    const after = contentOf(platform.crash('synced'), '/d/f');
    expect([after[0], after[512]]).toEqual([2, 1]);
  });

  it('is made durable by a later sync even if an earlier one never ended', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const platform = await diskWith(seed, Buffer.alloc(1024, 1));
      const file = platform.fs.open('/d/f', 'read-write');
      file.writeSync([Buffer.from([2])], 0);
      const first = file.sync('data');
      file.writeSync([Buffer.from([3])], 512);
      await file.sync('data');
      first.catch(() => undefined);
      const after = contentOf(platform.crash('synced'), '/d/f');
      expect([after[0], after[512]]).toEqual([2, 3]);
    }
  });

  it('has the old or a new size where the growth was not synced, and zeros or data in between', async () => {
    const history = async (seed: number) => {
      const platform = await diskWith(seed, Buffer.alloc(100, 1));
      platform.fs.open('/d/f', 'read-write').writeSync([Buffer.alloc(9900, 2)], 100);
      return platform;
    };
    const seen = await outcomes(200, history, (after) => {
      const bytes = contentOf(after, '/d/f');
      expect(bytes.subarray(0, 100)).toEqual(Buffer.alloc(100, 1));
      expect(bytes.subarray(100).every((byte) => byte === 2 || byte === 0)).toBe(true);
      return String(bytes.length);
    });
    expect(seen).toContain('100');
    expect(seen).toContain('10000');
    expect(seen.size).toBeGreaterThan(3);
  });

  it('has the old or the new size where a truncation was not synced, the new one after a sync', async () => {
    const history = async (seed: number) => {
      const platform = await diskWith(seed, Buffer.alloc(10_000, 1));
      await platform.fs.open('/d/f', 'read-write').truncate(3000);
      return platform;
    };
    const show = (after: MemoryPlatform) => {
      expect(contentOf(after, '/d/f').every((byte) => byte === 1)).toBe(true);
      return String(contentOf(after, '/d/f').length);
    };
    expect(await outcomes(40, history, show)).toEqual(new Set(['10000', '3000']));
    const platform = await history(1);
    await platform.fs.open('/d/f', 'read').sync('data');
    expect(contentOf(platform.crash('synced'), '/d/f').length).toBe(3000);
  });

  it('shows no old bytes behind a cut that was synced together with growing back', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const platform = await diskWith(seed, Buffer.alloc(20_000, 1));
      const file = platform.fs.open('/d/f', 'read-write');
      await file.truncate(5000);
      await file.truncate(20_000);
      const unsynced = contentOf(platform.crash('random'), '/d/f');
      expect([5000, 20_000]).toContain(unsynced.length);
      const again = await diskWith(seed, Buffer.alloc(20_000, 1));
      const fileAgain = again.fs.open('/d/f', 'read-write');
      await fileAgain.truncate(5000);
      await fileAgain.truncate(20_000);
      await fileAgain.sync('data');
      expect(contentOf(again.crash('random'), '/d/f')).toEqual(Buffer.concat([Buffer.alloc(5000, 1), Buffer.alloc(15_000)]));
    }
  });

  it('may or may not have a write that was under way', async () => {
    const history = async (seed: number) => {
      const platform = await diskWith(seed, Buffer.from('old'));
      const written = platform.fs.open('/d/f', 'read-write').write([Buffer.from('new')], 0);
      written.catch(() => undefined);
      return platform;
    };
    expect(await outcomes(60, history, (after) => contentOf(after, '/d/f').toString())).toEqual(new Set(['old', 'new']));
    expect(contentOf((await history(1)).crash('synced'), '/d/f').toString()).toBe('old');
  });
});

describe('names after a power cut', () => {
  it('are not made durable by a sync of the file', async () => {
    const history = async (seed: number) => {
      const platform = await diskWith(seed, undefined);
      const file = platform.fs.open('/d/f', 'create');
      file.writeSync([Buffer.from('x')], 0);
      await file.sync('all');
      return platform;
    };
    expect((await history(1)).crash('synced').fs.list('/d')).toEqual([]);
    expect(await outcomes(40, history, (after) => after.fs.list('/d').join())).toEqual(new Set(['', 'f']));
    const platform = await history(1);
    await platform.fs.syncDirectory('/d');
    expect(contentOf(platform.crash('synced'), '/d/f').toString()).toBe('x');
  });

  it('of a directory need a sync of its parent, and bring along only what was synced inside', async () => {
    const platform = memoryPlatform();
    await platform.fs.makeDirectory('/d/e');
    platform.fs.open('/d/e/f', 'create');
    platform.fs.open('/d/e/g', 'create');
    await platform.fs.syncDirectory('/d/e');
    await platform.fs.syncDirectory('/d');
    expect(platform.crash('synced').fs.list('/')).toEqual([]);
    const other = memoryPlatform();
    await other.fs.makeDirectory('/d/e');
    other.fs.open('/d/e/f', 'create');
    await other.fs.syncDirectory('/d/e');
    other.fs.open('/d/e/g', 'create');
    await other.fs.syncDirectory('/d');
    await other.fs.syncDirectory('/');
    expect(other.crash('synced').fs.list('/d/e')).toEqual(['f']);
  });

  it('of a renamed file are the old or the new one, never both or none; the new one after a sync of its directory', async () => {
    const history = async (seed: number) => {
      const platform = await diskWith(seed, Buffer.from('x'));
      await platform.fs.makeDirectory('/d/e');
      await platform.fs.syncDirectory('/d');
      await platform.fs.rename('/d/f', '/d/e/g');
      return platform;
    };
    const show = (after: MemoryPlatform) => `${after.fs.list('/d').join()}; ${after.fs.list('/d/e').join()}`;
    expect(await outcomes(60, history, show)).toEqual(new Set(['e,f; ', 'e; g']));
    const platform = await history(1);
    await platform.fs.syncDirectory('/d/e');
    expect(show(platform.crash('synced'))).toBe('e; g');
  });

  it('lead after an atomic replacement to the old or the new content, never to a mixture or nothing', async () => {
    const history = async (seed: number) => {
      const platform = await diskWith(seed, Buffer.from('old'));
      const file = platform.fs.open('/d/f.tmp', 'create');
      file.writeSync([Buffer.from('new!')], 0);
      await file.sync('data');
      await platform.fs.rename('/d/f.tmp', '/d/f');
      return platform;
    };
    const show = (after: MemoryPlatform) => contentOf(after, '/d/f').toString();
    expect(await outcomes(60, history, show)).toEqual(new Set(['old', 'new!']));
    const platform = await history(1);
    await platform.fs.syncDirectory('/d');
    expect(show(platform.crash('synced'))).toBe('new!');
  });

  it('lead to a file without content where it was renamed before it was synced', async () => {
    const history = async (seed: number) => {
      const platform = await diskWith(seed, Buffer.from('old'));
      platform.fs.open('/d/f.tmp', 'create').writeSync([Buffer.from('new!')], 0);
      await platform.fs.rename('/d/f.tmp', '/d/f');
      await platform.fs.syncDirectory('/d');
      return platform;
    };
    expect(await outcomes(80, history, (after) => contentOf(after, '/d/f').toString())).toContain('');
  });

  it('come back after a removal that was not synced, with the content that was', async () => {
    const history = async (seed: number) => {
      const platform = await diskWith(seed, Buffer.from('x'));
      await platform.fs.remove('/d/f');
      return platform;
    };
    const show = (after: MemoryPlatform) => (after.fs.exists('/d/f') ? contentOf(after, '/d/f').toString() : 'gone');
    expect(await outcomes(60, history, show)).toEqual(new Set(['x', 'gone']));
    const platform = await history(1);
    await platform.fs.syncDirectory('/d');
    expect(show(platform.crash('random'))).toBe('gone');
  });

  it('are chosen one by one, but a name never without its earlier changes', async () => {
    const history = async (seed: number) => {
      const platform = await diskWith(seed, Buffer.from('first'));
      await platform.fs.rename('/d/f', '/d/g');
      const second = platform.fs.open('/d/f', 'create');
      second.writeSync([Buffer.from('second')], 0);
      await second.sync('all');
      platform.fs.open('/d/h', 'create');
      return platform;
    };
    const show = (after: MemoryPlatform) =>
      after.fs
        .list('/d')
        .map((name) => `${name}=${contentOf(after, `/d/${name}`).toString()}`)
        .join(' ');
    expect(await outcomes(200, history, show)).toEqual(
      new Set(['f=first', 'f=first h=', 'g=first', 'g=first h=', 'f=second g=first', 'f=second g=first h=']),
    );
  });

  it('keep hard links the same file', async () => {
    const platform = await diskWith(1, Buffer.from('x'));
    await platform.fs.link('/d/f', '/d/g');
    await platform.fs.syncDirectory('/d');
    const after = platform.crash('synced');
    const file = after.fs.open('/d/f', 'read-write');
    expect(file.linkCount()).toBe(2);
    file.writeSync([Buffer.from('y')], 0);
    expect(contentOf(after, '/d/g').toString()).toBe('y');
  });

  it('sync only what had happened when the sync was issued', async () => {
    const platform = await diskWith(1, undefined);
    platform.fs.open('/d/f', 'create');
    const synced = platform.fs.syncDirectory('/d');
    platform.fs.open('/d/g', 'create');
    await synced;
    expect(platform.crash('synced').fs.list('/d')).toEqual(['f']);
  });
});

describe('a crash', () => {
  async function history(seed: number): Promise<MemoryPlatform> {
    const platform = memoryPlatform({ seed, clock: manualClock() });
    for (let step = 0; step < 30; step += 1) {
      const name = `/d${step % 3}`;
      await platform.fs.makeDirectory(name);
      const path = `${name}/f${step % 7}`;
      const file = platform.fs.open(path, platform.fs.exists(path) ? 'read-write' : 'create');
      await Promise.all([file.write([platform.randomBytes(3000)], step * 100), file.write([platform.randomBytes(300)], step * 200)]);
      if (step % 5 === 0) await file.sync('data');
      if (step % 4 === 0) await platform.fs.syncDirectory(name);
      if (step % 6 === 0) await platform.fs.rename(path, `${name}/g${step}`);
    }
    return platform;
  }

  function picture(platform: MemoryPlatform, directory: string): string[] {
    return platform.fs.list(directory).flatMap((name) => {
      const path = `${directory}${name}`;
      return directory === '/' ? picture(platform, `${path}/`) : [`${path} ${contentOf(platform, path).toString('hex')}`];
    });
  }

  it('is the same for the same seed and history, another for another seed', async () => {
    const pictures = new Set<string>();
    for (let seed = 1; seed <= 10; seed += 1) {
      const first = picture((await history(seed)).crash(), '/').join('\n');
      const second = picture((await history(seed)).crash(), '/').join('\n');
      expect(second).toBe(first);
      pictures.add(first);
    }
    expect(pictures.size).toBeGreaterThan(5);
  });

  it('can be asked for again, for other outcomes of the same history', async () => {
    const platform = await history(1);
    const seen = new Set(Array.from({ length: 20 }, () => picture(platform.crash(), '/').join('\n')));
    expect(seen.size).toBeGreaterThan(10);
    const synced = picture(platform.crash('synced'), '/');
    expect(picture(platform.crash('synced'), '/')).toEqual(synced);
  });

  it('ends every call on the old platform with EIO, also those under way', async () => {
    const platform = await diskWith(1, Buffer.from('x'));
    const file = platform.fs.open('/d/f', 'read-write');
    const underWay = [file.read(Buffer.alloc(1), 0), file.sync('data'), platform.fs.makeDirectory('/e'), file.write([Buffer.from('y')], 0)];
    const ends = Promise.allSettled(underWay);
    const after = platform.crash('synced');
    for (const end of await ends) expect(end).toMatchObject({ status: 'rejected', reason: { code: 'EIO' } });
    const dead = { code: 'EIO' };
    for (const call of [
      () => file.readSync(Buffer.alloc(1), 0),
      () => file.writeSync([Buffer.from('z')], 0),
      () => file.sizeBytes(),
      () => file.linkCount(),
      () => platform.fs.open('/d/f', 'read'),
      () => platform.fs.exists('/d/f'),
      () => platform.fs.list('/d'),
      () => platform.fs.lockDirectory('/d'),
    ]) {
      expect(call).toThrow(expect.objectContaining(dead));
    }
    for (const call of [
      () => file.read(Buffer.alloc(1), 0),
      () => file.write([Buffer.from('z')], 0),
      () => file.sync('all'),
      () => file.truncate(0),
      () => file.close(),
      () => platform.fs.makeDirectory('/e'),
      () => platform.fs.rename('/d/f', '/d/g'),
      () => platform.fs.remove('/d/f'),
      () => platform.fs.link('/d/f', '/d/g'),
      () => platform.fs.copy('/d/f', '/d/g', 1),
      () => platform.fs.syncDirectory('/d'),
      () => platform.fs.diskUsage('/d'),
    ]) {
      await expect(call()).rejects.toMatchObject(dead);
    }
    expect(contentOf(after, '/d/f').toString()).toBe('x');
  });

  it('frees locks and keeps the clock and the capacity', async () => {
    const clock = manualClock();
    const platform = memoryPlatform({ clock, capacityBytes: 8192 });
    await platform.fs.makeDirectory('/d');
    await platform.fs.syncDirectory('/');
    expect(platform.fs.lockDirectory('/d')).toBeDefined();
    const after = platform.crash('synced');
    expect(after.clock).toBe(clock);
    expect(after.fs.lockDirectory('/d')).toBeDefined();
    expect(() => after.fs.open('/d/f', 'create').writeSync([Buffer.alloc(9000)], 0)).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
  });

  it('by a kill leaves what was not synced to the next power cut', async () => {
    const platform = await diskWith(1, Buffer.from('old'));
    platform.fs.open('/d/f', 'read-write').writeSync([Buffer.from('new')], 0);
    const killed = platform.crash('all');
    expect(contentOf(killed, '/d/f').toString()).toBe('new');
    expect(() => platform.crash()).toThrow('belongs to');
    const rewritten = killed.fs.open('/d/f', 'read');
    const cut = killed.crash('synced');
    expect(contentOf(cut, '/d/f').toString()).toBe('old');
    expect(() => rewritten.sizeBytes()).toThrow(expect.objectContaining({ code: 'EIO' }));
  });

  it('by a kill lets a sync of the next process make durable what the dead one wrote', async () => {
    const platform = await diskWith(1, Buffer.from('old'));
    const file = platform.fs.open('/d/f', 'read-write');
    file.writeSync([Buffer.from('new')], 0);
    file.sync('data').catch(() => undefined);
    const killed = platform.crash('all');
    await killed.fs.open('/d/f', 'read').sync('data');
    expect(contentOf(killed.crash('synced'), '/d/f').toString()).toBe('new');
  });
});

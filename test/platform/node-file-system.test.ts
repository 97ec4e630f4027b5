import { execFileSync } from 'node:child_process';
import * as nodeFs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../src/platform/node-platform.js';
import { useTemporaryDirectory } from './temporary-directory.js';

const { fs } = nodePlatform;
const directory = useTemporaryDirectory();
const posix = process.platform !== 'win32';

function modeOf(path: string): string {
  return (nodeFs.statSync(path).mode & 0o777).toString(8);
}

describe.runIf(posix)("Node's files on a POSIX system", () => {
  it('makes files for the owner alone, 0600, and directories 0700, parents too', async () => {
    await fs.makeDirectory(join(directory(), 'a', 'b'));
    const path = join(directory(), 'a', 'b', 'f');
    const file = fs.open(path, 'create');
    file.writeSync([Buffer.from('x')], 0);
    await file.close();
    nodeFs.chmodSync(path, 0o644);
    await fs.copy(path, join(directory(), 'whole'), 1);
    await fs.copy(path, join(directory(), 'longer'), 2);
    expect(['a', 'a/b'].map((name) => modeOf(join(directory(), name)))).toEqual(['700', '700']);
    expect(['whole', 'longer'].map((name) => modeOf(join(directory(), name)))).toEqual(['600', '600']);
    expect(modeOf(path)).toBe('644');
    await fs.open(join(directory(), 'made'), 'create').close();
    expect(modeOf(join(directory(), 'made'))).toBe('600');
  });

  it('follows no symbolic link: neither in opening nor in making, copying or removing a file', async () => {
    const target = join(directory(), 'target');
    const link = join(directory(), 'link');
    nodeFs.writeFileSync(target, 'secret');
    nodeFs.symlinkSync(target, link);
    expect(() => fs.open(link, 'read')).toThrow(expect.objectContaining({ code: 'ELOOP' }));
    expect(() => fs.open(link, 'read-write')).toThrow(expect.objectContaining({ code: 'ELOOP' }));
    expect(() => fs.open(link, 'create')).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    await expect(fs.copy(link, join(directory(), 'copy'), 6)).rejects.toMatchObject({ code: 'ELOOP' });
    nodeFs.symlinkSync(join(directory(), 'none'), join(directory(), 'dangling'));
    expect(() => fs.open(join(directory(), 'dangling'), 'create')).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    expect(fs.exists(join(directory(), 'dangling'))).toBe(true);
    await fs.remove(link);
    expect(nodeFs.readFileSync(target, 'utf8')).toBe('secret');
  });

  it('waits for a descriptor to sync a directory with, and not for ever', { timeout: 60_000 }, () => {
    const program = fileURLToPath(new URL('short-of-descriptors.ts', import.meta.url));
    const run = (giveBack: string): string =>
      execFileSync('sh', ['-c', 'ulimit -n 64 && exec "$@"', 'sh', process.execPath, '--import', 'tsx', program, directory(), giveBack], {
        encoding: 'utf8',
      });
    expect(run('yes')).toBe('synced\n');
    expect(run('no')).toBe('EMFILE\n');
  });

  it('removes a link to a directory, never what is in it', async () => {
    nodeFs.mkdirSync(join(directory(), 'd'));
    nodeFs.symlinkSync(join(directory(), 'd'), join(directory(), 'link'));
    await fs.remove(join(directory(), 'link'));
    expect(fs.list(directory())).toEqual(['d']);
  });

  it('opens neither pipes nor devices, and does not hang on them', () => {
    execFileSync('mkfifo', [join(directory(), 'pipe')]);
    expect(() => fs.open(join(directory(), 'pipe'), 'read')).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => fs.open('/dev/zero', 'read')).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });

  it('leaves no descriptor behind where it refuses to open', () => {
    const count = (): number => nodeFs.readdirSync('/dev/fd').length;
    const before = count();
    for (let tries = 0; tries < 20; tries += 1) expect(() => fs.open(directory(), 'read')).toThrow('EISDIR');
    expect(count()).toBe(before);
  });

  it('keeps a sparse file sparse in copying it', async () => {
    const path = join(directory(), 'f');
    const file = fs.open(path, 'create');
    const bytes = 400 * 1024 * 1024;
    await file.truncate(bytes);
    for (const at of [0, 70_000, 1024 * 1024 - 100, 300 * 1024 * 1024 + 17]) file.writeSync([Buffer.alloc(200, 7)], at);
    await fs.copy(path, join(directory(), 'whole'), bytes);
    await fs.copy(path, join(directory(), 'part'), 300 * 1024 * 1024 + 100);
    for (const [name, size] of Object.entries({ whole: bytes, part: 300 * 1024 * 1024 + 100 })) {
      const facts = nodeFs.statSync(join(directory(), name));
      expect(facts.size).toBe(size);
      expect(facts.blocks * 512).toBeLessThan(1024 * 1024);
      const copy = fs.open(join(directory(), name), 'read');
      const found = Buffer.alloc(300);
      copy.readSync(found, 1024 * 1024 - 150);
      expect(found).toEqual(Buffer.concat([Buffer.alloc(50), Buffer.alloc(200, 7), Buffer.alloc(50)]));
      expect(copy.readSync(found, 300 * 1024 * 1024)).toBe(name === 'whole' ? 300 : 100);
      expect(found.subarray(0, 100)).toEqual(Buffer.concat([Buffer.alloc(17), Buffer.alloc(83, 7)]));
      await copy.close();
    }
    await file.close();
  });

  it('leaves the event loop free while it copies', async () => {
    const file = fs.open(join(directory(), 'f'), 'create');
    for (let at = 0; at < 32; at += 1) file.writeSync([Buffer.alloc(1024 * 1024, at + 1)], at * 1024 * 1024);
    let turns = 0;
    let copying = true;
    const count = (): void => {
      turns += 1;
      if (copying) setImmediate(count);
    };
    setImmediate(count);
    await fs.copy(join(directory(), 'f'), join(directory(), 'g'), 32 * 1024 * 1024 - 1);
    copying = false;
    expect(turns).toBeGreaterThan(10);
    await file.close();
  });

  it('names the file in the error of a call that was given a descriptor', async () => {
    const path = join(directory(), 'f');
    await fs.open(path, 'create').close();
    const file = fs.open(path, 'read');
    expect(() => file.writeSync([Buffer.alloc(1)], 0)).toThrow(path);
    await expect(file.truncate(3)).rejects.toMatchObject({ path });
    await file.close();
  });

  it('tells the use of the disk as df does', async () => {
    const now = (): object => {
      const facts = nodeFs.statfsSync(directory());
      return { usedBytes: (facts.blocks - facts.bfree) * facts.bsize, availableBytes: facts.bavail * facts.bsize };
    };
    // Others may write to this disk: compared once nothing changed around the call.
    let before: object;
    let told: object;
    let after: object;
    do {
      before = now();
      told = await fs.diskUsage(directory());
      after = now();
    } while (JSON.stringify(before) !== JSON.stringify(after));
    expect(told).toEqual(before);
  });
});

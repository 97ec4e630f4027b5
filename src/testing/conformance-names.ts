import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { FileSystem } from '../platform/platform.js';
import type { CheckTable } from './conformance.js';

async function make(fs: FileSystem, path: string, text: string): Promise<void> {
  const file = fs.open(path, 'create');
  file.writeSync([Buffer.from(text)], 0);
  await file.close();
}

function textOf(fs: FileSystem, path: string): string {
  const file = fs.open(path, 'read');
  const bytes = Buffer.alloc(file.sizeBytes());
  file.readSync(bytes, 0);
  void file.close();
  return bytes.toString();
}

/** Checks over names and directories. */
export const nameChecks: CheckTable = {
  async 'names are listed sorted, files and directories alike'(fs, directory) {
    for (const name of ['b', '10', 'a', '9']) await make(fs, join(directory, name), name);
    await fs.makeDirectory(join(directory, 'aa'));
    assert.deepEqual(fs.list(directory), ['10', '9', 'a', 'aa', 'b']);
    assert.throws(() => fs.list(join(directory, 'none')), { code: 'ENOENT' });
    assert.throws(() => fs.list(join(directory, 'a')), { code: 'ENOTDIR' });
  },

  async 'a directory is made with its parents, and made again without complaint'(fs, directory) {
    const deep = join(directory, 'a', 'b', 'c');
    await fs.makeDirectory(deep);
    await fs.makeDirectory(deep);
    assert.deepEqual(fs.list(join(directory, 'a', 'b')), ['c']);
    await make(fs, join(directory, 'f'), 'x');
    await assert.rejects(fs.makeDirectory(join(directory, 'f')), { code: 'EEXIST' });
  },

  async 'exists tells of files and directories'(fs, directory) {
    await make(fs, join(directory, 'f'), 'x');
    assert.equal(fs.exists(join(directory, 'f')), true);
    assert.equal(fs.exists(directory), true);
    assert.equal(fs.exists(join(directory, 'g')), false);
    assert.equal(fs.exists(join(directory, 'g', 'h')), false);
    assert.equal(fs.exists(join(directory, 'f', 'g')), false);
  },

  async 'renaming moves between directories and replaces what is there'(fs, directory) {
    await fs.makeDirectory(join(directory, 'd'));
    await make(fs, join(directory, 'f'), 'new');
    await make(fs, join(directory, 'd', 'g'), 'old');
    const open = fs.open(join(directory, 'f'), 'read-write');
    await fs.rename(join(directory, 'f'), join(directory, 'd', 'g'));
    assert.deepEqual(fs.list(directory), ['d']);
    assert.equal(textOf(fs, join(directory, 'd', 'g')), 'new');
    open.writeSync([Buffer.from('N')], 0);
    assert.equal(textOf(fs, join(directory, 'd', 'g')), 'New', 'who has it open follows it');
    assert.equal(open.linkCount(), 1);
    await open.close();
    await assert.rejects(fs.rename(join(directory, 'f'), join(directory, 'h')), { code: 'ENOENT' });
  },

  async 'a file that a rename replaces lives on for those who have it open'(fs, directory) {
    await make(fs, join(directory, 'f'), 'new');
    await make(fs, join(directory, 'g'), 'old');
    const old = fs.open(join(directory, 'g'), 'read');
    await fs.rename(join(directory, 'f'), join(directory, 'g'));
    const bytes = Buffer.alloc(3);
    assert.equal(old.readSync(bytes, 0), 3);
    assert.equal(bytes.toString(), 'old');
    assert.equal(old.linkCount(), 0);
    await old.close();
  },

  async 'a directory is renamed with all it holds, not over one that holds something'(fs, directory) {
    await fs.makeDirectory(join(directory, 'a'));
    await make(fs, join(directory, 'a', 'f'), 'x');
    await fs.rename(join(directory, 'a'), join(directory, 'b'));
    assert.equal(textOf(fs, join(directory, 'b', 'f')), 'x');
    await fs.makeDirectory(join(directory, 'c'));
    await assert.rejects(fs.rename(join(directory, 'c'), join(directory, 'b')), { code: 'ENOTEMPTY' });
    await assert.rejects(fs.rename(join(directory, 'b'), join(directory, 'b', 'inside')), { code: 'EINVAL' });
    assert.deepEqual(fs.list(directory), ['b', 'c']);
  },

  async 'files and empty directories are removed, full ones are not'(fs, directory) {
    await fs.makeDirectory(join(directory, 'd'));
    await make(fs, join(directory, 'd', 'f'), 'x');
    await assert.rejects(fs.remove(join(directory, 'd')), { code: 'ENOTEMPTY' });
    await fs.remove(join(directory, 'd', 'f'));
    await fs.remove(join(directory, 'd'));
    assert.deepEqual(fs.list(directory), []);
    await assert.rejects(fs.remove(join(directory, 'd')), { code: 'ENOENT' });
  },

  async 'a removed file is readable and writable for those who have it open, and says so'(fs, directory) {
    const file = fs.open(join(directory, 'f'), 'create');
    assert.equal(file.linkCount(), 1);
    await fs.remove(join(directory, 'f'));
    file.writeSync([Buffer.from('still here')], 0);
    const bytes = Buffer.alloc(10);
    assert.equal(await file.read(bytes, 0), 10);
    assert.equal(bytes.toString(), 'still here');
    assert.equal(file.linkCount(), 0);
    await file.sync('all');
    await file.close();
    assert.equal(fs.exists(join(directory, 'f')), false);
  },

  async 'a link is a second name of the same file'(fs, directory) {
    await make(fs, join(directory, 'f'), 'same');
    await fs.link(join(directory, 'f'), join(directory, 'g'));
    const file = fs.open(join(directory, 'f'), 'read-write');
    assert.equal(file.linkCount(), 2);
    file.writeSync([Buffer.from('S')], 0);
    assert.equal(textOf(fs, join(directory, 'g')), 'Same');
    await fs.remove(join(directory, 'f'));
    assert.equal(file.linkCount(), 1);
    await file.close();
    await make(fs, join(directory, 'h'), 'other');
    await assert.rejects(fs.link(join(directory, 'h'), join(directory, 'g')), { code: 'EEXIST' });
    await assert.rejects(fs.link(join(directory, 'none'), join(directory, 'i')), { code: 'ENOENT' });
    assert.equal(textOf(fs, join(directory, 'g')), 'Same');
  },

  async 'a copy is a file of its own, of exactly the length asked for'(fs, directory) {
    const source = fs.open(join(directory, 'f'), 'create');
    const whole = Buffer.alloc(3_000_000);
    whole.fill(1, 0, 100).fill(2, 1_500_000, 1_500_100).fill(3, 2_999_999);
    source.writeSync([whole], 0);
    for (const [name, bytes] of Object.entries({ whole: 3_000_000, part: 1_500_050, nothing: 0, longer: 3_000_100 })) {
      await fs.copy(join(directory, 'f'), join(directory, name), bytes);
      const copy = fs.open(join(directory, name), 'read');
      assert.equal(copy.sizeBytes(), bytes);
      const found = Buffer.alloc(bytes, 0xee);
      assert.equal(copy.readSync(found, 0), bytes);
      assert.ok(found.equals(Buffer.concat([whole, Buffer.alloc(100)]).subarray(0, bytes)), name);
      assert.equal(copy.linkCount(), 1);
      await copy.close();
    }
    source.writeSync([Buffer.from('changed')], 0);
    const copy = fs.open(join(directory, 'whole'), 'read');
    const head = Buffer.alloc(7);
    copy.readSync(head, 0);
    assert.deepEqual(head, Buffer.alloc(7, 1));
    await Promise.all([copy.close(), source.close()]);
  },

  async 'a copy replaces nothing'(fs, directory) {
    await make(fs, join(directory, 'f'), 'new');
    await make(fs, join(directory, 'g'), 'old');
    await assert.rejects(fs.copy(join(directory, 'f'), join(directory, 'g'), 3), { code: 'EEXIST' });
    await assert.rejects(fs.copy(join(directory, 'f'), join(directory, 'g'), 2), { code: 'EEXIST' });
    assert.equal(textOf(fs, join(directory, 'g')), 'old');
    await assert.rejects(fs.copy(join(directory, 'none'), join(directory, 'h'), 3), { code: 'ENOENT' });
    assert.deepEqual(fs.list(directory), ['f', 'g']);
  },

  async 'a directory is synced if it is there'(fs, directory) {
    await make(fs, join(directory, 'f'), 'x');
    await fs.syncDirectory(directory);
    if (process.platform !== 'win32') await assert.rejects(fs.syncDirectory(join(directory, 'none')), { code: 'ENOENT' });
  },

  async 'a locked directory is refused to the next until it is released'(fs, directory) {
    const lock = fs.lockDirectory(directory);
    assert.ok(lock !== undefined);
    assert.equal(fs.lockDirectory(directory), undefined);
    assert.equal(fs.lockDirectory(directory), undefined, 'a refusal does not free it');
    assert.deepEqual(fs.list(directory), ['lock']);
    await fs.makeDirectory(join(directory, 'other'));
    const other = fs.lockDirectory(join(directory, 'other'));
    assert.ok(other !== undefined);
    lock.release();
    const again = fs.lockDirectory(directory);
    assert.ok(again !== undefined);
    lock.release();
    assert.equal(fs.lockDirectory(directory), undefined, 'the first lock is spent, releasing it again frees nothing');
    again.release();
    other.release();
    assert.throws(() => fs.lockDirectory(join(directory, 'none')), { code: 'ENOENT' });
    assert.equal(textOf(fs, join(directory, 'lock')), 'lock');
  },

  async 'the use of the disk is told in bytes'(fs, directory) {
    const { usedBytes, availableBytes } = await fs.diskUsage(directory);
    assert.ok(Number.isSafeInteger(usedBytes) && usedBytes >= 0);
    assert.ok(Number.isSafeInteger(availableBytes) && availableBytes > 0);
    await assert.rejects(fs.diskUsage(join(directory, 'none')), { code: 'ENOENT' });
  },
};

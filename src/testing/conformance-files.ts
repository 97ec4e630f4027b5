import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { FileSystem } from '../platform/platform.js';
import type { CheckTable } from './conformance.js';

function pattern(count: number, from = 0): Buffer {
  return Buffer.from(Uint8Array.from({ length: count }, (_, index) => ((index + from) * 7 + 1) & 0xff));
}

function contentOf(fs: FileSystem, path: string): Buffer {
  const file = fs.open(path, 'read');
  const bytes = Buffer.alloc(file.sizeBytes());
  assert.equal(file.readSync(bytes, 0), bytes.length);
  void file.close();
  return bytes;
}

/** Checks over `StoreFile`. */
export const fileChecks: CheckTable = {
  async 'what was written is read back, by either kind of call'(fs, directory) {
    const file = fs.open(join(directory, 'f'), 'create');
    file.writeSync([pattern(1000)], 0);
    await file.write([pattern(1000, 1000)], 1000);
    const sync = Buffer.alloc(2000);
    const async = Buffer.alloc(2000);
    assert.equal(file.readSync(sync, 0), 2000);
    assert.equal(await file.read(async, 0), 2000);
    assert.deepEqual(sync, pattern(2000));
    assert.deepEqual(async, pattern(2000));
    await file.close();
    assert.deepEqual(contentOf(fs, join(directory, 'f')), pattern(2000));
  },

  async 'a write in the middle changes nothing around it'(fs, directory) {
    const file = fs.open(join(directory, 'f'), 'create');
    file.writeSync([Buffer.alloc(10_000, 1)], 0);
    file.writeSync([Buffer.alloc(4000, 2)], 4000);
    const bytes = Buffer.alloc(10_000);
    file.readSync(bytes, 0);
    assert.deepEqual(bytes, Buffer.concat([Buffer.alloc(4000, 1), Buffer.alloc(4000, 2), Buffer.alloc(2000, 1)]));
    await file.close();
  },

  async 'a read returns fewer bytes only at the end of the file, none behind it'(fs, directory) {
    const file = fs.open(join(directory, 'f'), 'create');
    file.writeSync([pattern(100)], 0);
    const bytes = Buffer.alloc(64, 0xee);
    assert.equal(file.readSync(bytes, 70), 30);
    assert.deepEqual(bytes.subarray(0, 30), pattern(30, 70));
    assert.deepEqual(bytes.subarray(30), Buffer.alloc(34, 0xee), 'what lies behind is left alone');
    assert.equal(await file.read(bytes, 70), 30);
    assert.equal(file.readSync(bytes, 100), 0);
    assert.equal(await file.read(bytes, 5000), 0);
    assert.equal(file.readSync(Buffer.alloc(0), 0), 0);
    await file.close();
  },

  async 'thousands of parts, empty ones among them, are written back to back'(fs, directory) {
    const parts = Array.from({ length: 3000 }, (_, index) => pattern(index % 4, index));
    const whole = Buffer.concat(parts);
    const file = fs.open(join(directory, 'f'), 'create');
    file.writeSync(parts, 10);
    await file.write(parts, 10 + whole.length);
    file.writeSync([], 0);
    await file.write([Buffer.alloc(0), Buffer.alloc(0)], 1_000_000);
    assert.equal(file.sizeBytes(), 10 + 2 * whole.length, 'nothing is no growth');
    const bytes = Buffer.alloc(file.sizeBytes());
    file.readSync(bytes, 0);
    assert.deepEqual(bytes, Buffer.concat([Buffer.alloc(10), whole, whole]));
    await file.close();
  },

  async 'what was never written reads as zeros, also above 4 GiB'(fs, directory) {
    const at = 5 * 2 ** 30 + 123;
    const file = fs.open(join(directory, 'f'), 'create');
    file.writeSync([pattern(10)], at);
    assert.equal(file.sizeBytes(), at + 10);
    const bytes = Buffer.alloc(20, 0xee);
    assert.equal(await file.read(bytes, at - 10), 20);
    assert.deepEqual(bytes, Buffer.concat([Buffer.alloc(10), pattern(10)]));
    assert.equal(file.readSync(bytes.fill(0xee), 1000), 20);
    assert.deepEqual(bytes, Buffer.alloc(20));
    await file.close();
  },

  async 'truncating cuts, and lengthens by zeros, also where there was something before'(fs, directory) {
    const file = fs.open(join(directory, 'f'), 'create');
    file.writeSync([pattern(10_000)], 0);
    await file.truncate(5000);
    assert.equal(file.sizeBytes(), 5000);
    await file.truncate(20_000);
    assert.equal(file.sizeBytes(), 20_000);
    const bytes = Buffer.alloc(20_000, 0xee);
    assert.equal(file.readSync(bytes, 0), 20_000);
    assert.deepEqual(bytes, Buffer.concat([pattern(5000), Buffer.alloc(15_000)]));
    await file.truncate(0);
    assert.equal(file.sizeBytes(), 0);
    await file.close();
  },

  async 'both kinds of sync succeed, on a file opened for reading too'(fs, directory) {
    const file = fs.open(join(directory, 'f'), 'create');
    file.writeSync([pattern(10)], 0);
    await file.sync('data');
    await file.sync('all');
    await file.close();
    const again = fs.open(join(directory, 'f'), 'read');
    await again.sync('data');
    await again.close();
  },

  async 'create refuses what is there, the other modes what is not'(fs, directory) {
    const path = join(directory, 'f');
    assert.throws(() => fs.open(path, 'read'), { code: 'ENOENT' });
    assert.throws(() => fs.open(path, 'read-write'), { code: 'ENOENT' });
    assert.equal(fs.exists(path), false, 'a refused open makes no file');
    await fs.open(path, 'create').close();
    assert.throws(() => fs.open(path, 'create'), { code: 'EEXIST' });
    await fs.open(path, 'read').close();
    const file = fs.open(path, 'read-write');
    assert.equal(file.path, path);
    file.writeSync([pattern(3)], 0);
    await file.close();
    assert.throws(() => fs.open(join(path, 'g'), 'create'), { code: 'ENOTDIR' });
    assert.throws(() => fs.open(join(directory, 'none', 'g'), 'create'), { code: 'ENOENT' });
  },

  async 'a directory is not opened as a file'(fs, directory) {
    assert.throws(() => fs.open(directory, 'read'), { code: 'EISDIR' });
    assert.throws(() => fs.open(directory, 'read-write'), { code: 'EISDIR' });
  },

  async 'a file opened for reading is not written'(fs, directory) {
    const path = join(directory, 'f');
    const made = fs.open(path, 'create');
    made.writeSync([pattern(10)], 0);
    await made.close();
    const file = fs.open(path, 'read');
    assert.throws(() => file.writeSync([pattern(10, 1)], 0));
    await assert.rejects(file.write([pattern(10, 1)], 0));
    await assert.rejects(file.truncate(0));
    assert.equal(file.sizeBytes(), 10);
    await file.close();
    assert.deepEqual(contentOf(fs, path), pattern(10));
  },

  async 'a closed file refuses everything, and may be closed again'(fs, directory) {
    const file = fs.open(join(directory, 'f'), 'create');
    await file.close();
    const closed = { code: 'EBADF' };
    assert.throws(() => file.readSync(Buffer.alloc(1), 0), closed);
    assert.throws(() => file.writeSync([pattern(1)], 0), closed);
    assert.throws(() => file.sizeBytes(), closed);
    assert.throws(() => file.linkCount(), closed);
    await assert.rejects(file.read(Buffer.alloc(1), 0), closed);
    await assert.rejects(file.write([pattern(1)], 0), closed);
    await assert.rejects(file.sync('data'), closed);
    await assert.rejects(file.truncate(0), closed);
    await file.close();
  },

  async 'a call under way ends well though the file is closed meanwhile'(fs, directory) {
    const path = join(directory, 'f');
    const file = fs.open(path, 'create');
    const written = Array.from({ length: 20 }, (_, index) => file.write([pattern(1000, index * 1000)], index * 1000));
    const closed = file.close();
    assert.throws(() => file.sizeBytes(), { code: 'EBADF' });
    await Promise.all(written);
    await closed;
    assert.deepEqual(contentOf(fs, path), pattern(20_000));
  },

  async 'a failure is an Error of Node: code, number, call and path'(fs, directory) {
    const path = join(directory, 'f');
    assert.throws(
      () => fs.open(path, 'read'),
      (error: unknown) => {
        assert.ok(error instanceof Error);
        const { code, errno, syscall, path: named } = error as NodeJS.ErrnoException;
        assert.deepEqual({ code, syscall, named }, { code: 'ENOENT', syscall: 'open', named: path });
        assert.ok(errno !== undefined && errno < 0);
        return true;
      },
    );
  },
};

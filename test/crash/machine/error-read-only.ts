import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Mounted, whyNoImage } from './mounted.js';

/** Files that are open for writing keep a file system from being mounted read-only; only an error in it makes that happen under them. */
export function makeReadOnly(mounted: Mounted): void {
  writeFileSync(triggerPath(mounted), 'an error for a test');
}

function triggerPath(mounted: Mounted): string {
  const line = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .find((each) => each.split(' ')[1] === mounted.path);
  if (line === undefined) throw new Error(`${mounted.path} is not mounted`);
  return `/sys/fs/ext4/${basename(realpathSync(line.split(' ')[0]!))}/trigger_fs_error`;
}

let known: { readonly why: string | undefined } | undefined;

export function whyNoReadOnly(): string | undefined {
  known ??= { why: attempt() };
  return known.why;
}

function attempt(): string | undefined {
  const why = whyNoImage('ext4');
  if (why !== undefined) return why;
  const mounted = Mounted.image('ext4', { mountOptions: ['errors=remount-ro'] });
  try {
    if (!existsSync(triggerPath(mounted))) return 'this kernel has no trigger_fs_error for ext4';
    makeReadOnly(mounted);
    writeFileSync(`${mounted.path}/probe`, 'x');
    return 'an error of the file system does not make it read-only';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EROFS' ? undefined : `an error of the file system ends in ${code ?? String(error)}`;
  } finally {
    mounted.remove();
  }
}

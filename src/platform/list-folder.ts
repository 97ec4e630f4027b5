import { systemErrorCode } from '../base/errors.js';
import type { FileSystem } from './platform.js';

/** The names in a folder; none for what is not there, nor for what is no folder, which goes to `onStray`. */
export function listFolder(fs: FileSystem, path: string, onStray?: (path: string) => void): readonly string[] {
  try {
    return fs.list(path);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOTDIR') onStray?.(path);
    else if (code !== 'ENOENT') throw error;
    return [];
  }
}

import { closeSync, openSync } from 'node:fs';

/** Opens /dev/null until only `left` descriptors can still be opened; the returned function gives them all back. */
export function useUpDescriptors(left: number): () => void {
  const used: number[] = [];
  try {
    for (;;) used.push(openSync('/dev/null', 'r'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
  }
  for (const fd of used.splice(0, left)) closeSync(fd);
  return () => {
    for (const fd of used.splice(0)) closeSync(fd);
  };
}

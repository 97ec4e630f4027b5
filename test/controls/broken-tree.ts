import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Control } from './control.js';

/** The source of the file with the control's change in it; throws where the source is not what the control was made for. */
export function brokenSource(control: Control, source: string): string {
  const { name, file, find, replace, also = [] } = control;
  let broken = source;
  for (const edit of [{ find, replace }, ...also]) {
    const pieces = broken.split(edit.find);
    if (edit.find === '' || pieces.length !== 2) {
      throw new Error(`control ${name}: its text stands ${pieces.length - 1} times in ${file} in place of once; the source has changed`);
    }
    broken = pieces.join(edit.replace);
  }
  return broken;
}

/** Breaks the tree at `root`; the result makes it whole again. */
export function breakTree(control: Control, root: string): () => void {
  const path = join(root, control.file);
  const whole = readFileSync(path, 'utf8');
  writeFileSync(path, brokenSource(control, whole));
  return () => writeFileSync(path, whole);
}

import { existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { benchData } from './repository.js';

/** A folder for the files of a load program, and how to be rid of it: only what the program made itself is deleted. */
export function makeLoadDirectory(asked: string | undefined): { readonly directory: string; remove(): Promise<void> } {
  if (asked === undefined) {
    mkdirSync(benchData, { recursive: true });
    const directory = mkdtempSync(join(benchData, 'run-'));
    return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
  }
  const directory = resolve(asked);
  if (existsSync(directory) && readdirSync(directory).length > 0) throw new Error(`${directory} is there and not empty`);
  mkdirSync(directory, { recursive: true });
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

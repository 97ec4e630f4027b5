import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readJson, readKept, repositoryRoot } from './repository-files.js';

describe('data', () => {
  it('earthquakes.json is byte for byte what its page says', () => {
    const bytes = readFileSync(join(repositoryRoot, 'data', 'earthquakes.json'));
    const page = readKept('data/README.md');
    expect(page).toContain(createHash('sha256').update(bytes).digest('hex'));
    expect(page).toContain(`${bytes.length.toLocaleString('en-US')} bytes`);
  });

  it('earthquakes.json holds 1,707 events with ids of their own', () => {
    const features = readJson('data/earthquakes.json')['features'] as readonly { readonly id: string }[];
    expect(features).toHaveLength(1707);
    expect(new Set(features.map((feature) => feature.id)).size).toBe(1707);
  });
});

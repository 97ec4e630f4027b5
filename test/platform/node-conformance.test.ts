import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { nodePlatform } from '../../src/platform/node-platform.js';
import { fileSystemConformance } from '../../src/testing/conformance.js';

describe("Node's files behave as the seam says", () => {
  const directory = fs.mkdtempSync(join(tmpdir(), 'stratalog-conformance-'));
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
  for (const { name, run } of fileSystemConformance(() => nodePlatform, directory)) it(name, run);
});

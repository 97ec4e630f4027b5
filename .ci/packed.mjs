/**
 * Installs what would be published into an empty project and uses it there with plain Node: what the tests cannot see, because they run
 * from the sources with the tools of the repository around them.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = `
  import { openStore, StoreError } from 'stratalog';
  import { memoryPlatform } from 'stratalog/testing';

  for (const platform of [undefined, memoryPlatform({ seed: 1 })]) {
    const store = await openStore(process.argv[2], platform === undefined ? {} : { platform });
    const receipt = await store.append({ topic: 'packed', keys: ['one'], body: 'hello' });
    const { messages } = await store.read({ topic: 'packed' }, { from: 'earliest' });
    await store.close();
    if (!receipt.durable || messages[0]?.body.toString() !== 'hello') throw new Error('what was appended did not come back');
    const refused = await store.append({ topic: 'packed', body: 'late' }).catch((error) => error);
    if (!StoreError.is(refused, 'STORE_CLOSED')) throw new Error('a closed store took a message');
  }
`;

const root = new URL('..', import.meta.url);
const project = mkdtempSync(join(tmpdir(), 'stratalog-packed-'));
// One string for the shell, because npm is a script of the shell on Windows; both parts of it are ours.
const npm = (line, cwd) => execFileSync(`npm ${line}`, { cwd, stdio: ['ignore', 'ignore', 'inherit'], shell: true });
try {
  npm(`pack --loglevel=error --pack-destination "${project}"`, root);
  const archive = readdirSync(project).find((name) => name.endsWith('.tgz'));
  if (archive === undefined) throw new Error('npm pack left no archive');
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  writeFileSync(join(project, 'program.js'), program);
  npm(`install --loglevel=error --no-audit --no-fund ./${archive}`, project);
  execFileSync(process.execPath, ['program.js', join(project, 'store')], { cwd: project, stdio: 'inherit' });
  console.log(`${archive} installs and works with Node ${process.version}`);
} finally {
  rmSync(project, { recursive: true, force: true });
}

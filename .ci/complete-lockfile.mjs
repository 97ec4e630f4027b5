/**
 * Completes package-lock.json after `npm install`: a registry mirror that lacks some of the prebuilt packages of a tool (one per
 * platform) makes npm leave their entries out, and `npm ci` then refuses the lock file on every machine. The entries are added from
 * what the tool itself declares: name and exact version; operating system, processor and C library are in the name.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const lockPath = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(lockPath, 'utf8'));

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const processors = ['arm64', 'arm', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64'];

function resolvedEntry(parentPath, name) {
  for (let path = parentPath; ; path = path.slice(0, Math.max(path.lastIndexOf('/node_modules/'), 0))) {
    const candidate = path === '' ? `node_modules/${name}` : `${path}/node_modules/${name}`;
    if (candidate in lock.packages) return lock.packages[candidate];
    if (path === '') return undefined;
  }
}

function platformEntry(name, version, parent) {
  const parts = name.split('/').at(-1).split('-');
  const os = systems.find((system) => parts.includes(system));
  const cpu = processors.find((processor) => parts.includes(processor));
  if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`cannot complete ${name}@${version}`);
  const libc = parts.includes('musl') ? 'musl' : os === 'linux' && parts.includes('gnu') ? 'glibc' : undefined;
  return {
    version,
    cpu: [cpu],
    ...(parent.dev === true ? { dev: true } : {}),
    ...(libc === undefined ? {} : { libc: [libc] }),
    optional: true,
    os: [os],
  };
}

const added = {};
for (const [path, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    if (path === '' || resolvedEntry(path, name) !== undefined) continue;
    added[`node_modules/${name}`] = platformEntry(name, version, parent);
  }
}
const packages = Object.fromEntries(Object.entries({ ...lock.packages, ...added }).toSorted(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(lockPath, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`);
console.log(`${Object.keys(added).length} platform packages added to package-lock.json`);

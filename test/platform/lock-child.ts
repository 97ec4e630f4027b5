/** A process that takes the lock of a directory, says what came of it, and waits to be killed. */
import { lockDirectory } from '../../src/platform/directory-lock.js';
import { lockByName } from '../../src/platform/lock-by-name.js';

const [kind, directory = ''] = process.argv.slice(2);
const lock = kind === 'name' ? lockByName(directory) : lockDirectory(directory);
process.stdout.write(lock === undefined ? 'refused\n' : 'locked\n');
if (lock === undefined) process.exit(0);
setInterval(() => undefined, 1000);

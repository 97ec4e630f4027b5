import type { Fault, FaultRule } from '../../src/testing/index.js';
import type { SeededRandom } from '../../src/testing/seeded-random.js';
import { pick } from './small.js';

/** One of the ways in which a machine fails that a store must live through without losing anything. */
export function anyFault(random: SeededRandom): FaultRule {
  const code = pick(random, ['EIO', 'ENOSPC', 'EDQUOT', 'EMFILE', 'EROFS', 'EACCES']);
  // A full disk has not taken all of it.
  const done = random.chance(0.2) && code !== 'ENOSPC' && code !== 'EDQUOT';
  const fault = pick<() => Fault>(random, [
    () => ({ kind: 'error', code, done }),
    () => ({ kind: 'error', code, done }),
    () => ({ kind: 'error', code: 'ENOSPC' }),
    () => ({ kind: 'short-write', code: pick(random, ['ENOSPC', 'EIO']) }),
    () => ({ kind: 'lost-sync' }),
    () => ({ kind: 'delay', ms: 1 + random.below(300) }),
  ])();
  const isWrite = random.chance(0.4);
  return {
    fault,
    ...(isWrite ? { ops: random.chance(0.5) ? ['write', 'writeSync'] : ['sync', 'syncDirectory'] } : {}),
    ...(random.chance(0.6) ? { path: pick(random, [/commitlog/, /consumequeue/, /index/, /stratalog/, /tmp|aside|rebuild/]) } : {}),
    from: 1 + random.below(random.chance(0.5) ? 5 : 60),
    // A disk that does everything and denies all of it for ever cannot be dealt with by anybody.
    count: done ? 1 : pick(random, [1, 1, 2, 10, Number.POSITIVE_INFINITY]),
    ...(random.chance(0.2) ? { probability: 0.3 } : {}),
  };
}

import type { Fault } from '../../../src/testing/index.js';
import type { Keep } from '../machine.js';

/** One thing that goes wrong at one call of the scenario. */
export type Point = { readonly call: number; readonly flush: 'sync' | 'async' } & (
  | { readonly kind: 'fault'; readonly fault: Fault; readonly forGood: boolean }
  | { readonly kind: 'crash'; readonly keep: Keep; readonly blockBytes: 512 | 4096; readonly chance: number }
);

const codes = ['EIO', 'ENOSPC', 'EDQUOT', 'EMFILE', 'EROFS', 'EACCES', 'EINTR'] as const;
const otherFaults: readonly Fault[] = [
  { kind: 'error', code: 'EIO', done: true },
  { kind: 'short-write' },
  { kind: 'short-write', code: 'EIO' },
  { kind: 'short-read' },
  { kind: 'lost-sync' },
  { kind: 'delay', ms: 100 },
];
const crashes: readonly { readonly keep: Keep; readonly blockBytes: 512 | 4096; readonly chance: number }[] = [
  { keep: 'synced', blockBytes: 512, chance: 0 },
  { keep: 'all', blockBytes: 512, chance: 0 },
  { keep: 'random', blockBytes: 512, chance: 0 },
  { keep: 'random', blockBytes: 512, chance: 1 },
  { keep: 'random', blockBytes: 4096, chance: 0 },
  { keep: 'random', blockBytes: 4096, chance: 1 },
];

/** Every `stride`th call of the scenario from the `offset`th on, with everything that can happen to it. */
export function pointsOf(flush: 'sync' | 'async', callCount: number, stride: number, offset: number): readonly Point[] {
  const points: Point[] = [];
  for (let call = 1 + (offset % stride); call <= callCount; call += stride) {
    for (const code of codes) {
      for (const forGood of [false, true]) points.push({ call, flush, kind: 'fault', fault: { kind: 'error', code }, forGood });
    }
    for (const fault of otherFaults) points.push({ call, flush, kind: 'fault', fault, forGood: false });
    for (const crash of crashes) points.push({ call, flush, kind: 'crash', ...crash });
  }
  return points;
}

export function nameOf(point: Point): string {
  if (point.kind === 'crash') return [point.flush, point.call, 'crash', point.keep, point.blockBytes, point.chance].join(' ');
  const { fault } = point;
  const detail =
    fault.kind === 'error'
      ? [fault.code, ...(fault.done === true ? ['done'] : [])]
      : fault.kind === 'short-write'
        ? [fault.code ?? 'ENOSPC']
        : [];
  return [point.flush, point.call, fault.kind, ...detail, point.forGood ? 'for good' : 'once'].join(' ');
}

import { decoderControls } from './catalog/decoders.js';
import { durabilityControls } from './catalog/durability.js';
import { failingCallControls } from './catalog/failing-calls.js';
import { interplayControls } from './catalog/interplay.js';
import { machineFaultControls } from './catalog/machine-faults.js';
import { machineControls } from './catalog/machine.js';
import { readingControls } from './catalog/reading.js';
import { recoveryControls } from './catalog/recovery.js';
import { writePathControls } from './catalog/write-path.js';
import type { Control } from './control.js';

export const allControls: readonly Control[] = [
  ...writePathControls,
  ...durabilityControls,
  ...recoveryControls,
  ...readingControls,
  ...machineControls,
  ...machineFaultControls,
  ...failingCallControls,
  ...decoderControls,
  ...interplayControls,
];

/** Broken builds that cannot be made, since the engine does without what they would break. */
export const notBuilt: readonly { readonly name: string; readonly why: string }[] = [
  {
    name: 'acknowledged bytes overtaken by zeros written ahead',
    why: 'The engine writes no zeros ahead of the log: a segment gets its length by one byte at its end.',
  },
];

import { machineActions } from './actions-machine.js';
import { readActions } from './actions-read.js';
import { writeActions } from './actions-write.js';
import type { Session } from './session.js';

/** One thing that a user, or fate, may do. */
export interface Action {
  readonly name: string;
  readonly weight: number;
  run(session: Session): Promise<void>;
}

export const actionTable: readonly Action[] = [...writeActions, ...readActions, ...machineActions];

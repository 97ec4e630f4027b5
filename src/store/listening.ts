import { type Channel, channel } from 'node:diagnostics_channel';
import type { StoreListener } from './contract.js';

export type DiagnosticsEvent =
  | 'segmentRolled'
  | 'segmentDeleted'
  | 'flushed'
  | 'failed'
  | 'recoveryProgress'
  | 'recovered'
  | 'targetFailed';

/**
 * All diagnostics channels of the package, by the name to subscribe to. Each message is `{ directory, ... }` with the fields of the
 * listener's call of the same kind; `targetFailed` carries `name` and `error`, `recovered` the recovery report.
 */
export const diagnosticsChannels: Readonly<Record<DiagnosticsEvent, string>> = {
  segmentRolled: 'stratalog:segment-rolled',
  segmentDeleted: 'stratalog:segment-deleted',
  flushed: 'stratalog:flushed',
  failed: 'stratalog:failed',
  recoveryProgress: 'stratalog:recovery-progress',
  recovered: 'stratalog:recovered',
  targetFailed: 'stratalog:target-failed',
};

const channels: Record<keyof StoreListener, Channel> = {
  onSegmentRolled: channel(diagnosticsChannels.segmentRolled),
  onSegmentDeleted: channel(diagnosticsChannels.segmentDeleted),
  onFlushed: channel(diagnosticsChannels.flushed),
  onFailed: channel(diagnosticsChannels.failed),
  onRecoveryProgress: channel(diagnosticsChannels.recoveryProgress),
};
const recovered: Channel = channel(diagnosticsChannels.recovered);
const targetFailed: Channel = channel(diagnosticsChannels.targetFailed);

type Event = keyof StoreListener;
type InfoOf<E extends Event> = Parameters<NonNullable<StoreListener[E]>>[0];

/** Tells the listener and the diagnostics channels what happened. What they throw never reaches the store. */
export class Listening {
  readonly #directory: string;
  readonly #listener: StoreListener | undefined;

  constructor(directory: string, listener: StoreListener | undefined) {
    this.#directory = directory;
    this.#listener = listener;
  }

  tell<E extends Event>(event: E, info: InfoOf<E>): void {
    const publish = channels[event];
    if (publish.hasSubscribers) publish.publish({ directory: this.#directory, ...info });
    const listener = this.#listener;
    if (listener?.[event] === undefined) return;
    try {
      const call = listener[event] as (info: InfoOf<E>) => unknown;
      const result = call.call(listener, info);
      if (result instanceof Promise) result.catch(() => undefined);
    } catch {
      // A listener's failure is its own.
    }
  }

  recovered(report: object): void {
    if (recovered.hasSubscribers) recovered.publish({ directory: this.#directory, ...report });
  }

  targetFailed(name: string, error: unknown): void {
    if (targetFailed.hasSubscribers) targetFailed.publish({ directory: this.#directory, name, error });
  }
}

import type { Message } from '../../src/index.js';
import type { Image } from './image.js';
import type { MadeStore } from './made-store.js';

/** The stretches of the log whose bytes are no longer what they were, ascending: [from, to). */
export function changedInLog(made: MadeStore, damaged: Image): readonly (readonly [from: number, to: number])[] {
  const { segmentBytes } = made.options;
  const changed: (readonly [number, number])[] = [];
  for (const [path, bytes] of [...made.image].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!/^commitlog\/\d{20}$/.test(path)) continue;
    const base = Number(path.slice(-20));
    const now = damaged.get(path);
    let from = -1;
    for (let i = 0; i <= segmentBytes; i += 1) {
      const differs = i < segmentBytes && (now === undefined || i >= now.length || now[i] !== bytes[i]);
      if (differs && from < 0) from = i;
      if (!differs && from >= 0) {
        changed.push([base + from, base + i]);
        from = -1;
      }
    }
  }
  return changed;
}

/** The messages of whose records a byte is not what it was. */
export function touchedMessages(messages: readonly Message[], changed: readonly (readonly [number, number])[]): ReadonlySet<Message> {
  return new Set(
    messages.filter(({ physicalOffset, recordBytes }) =>
      changed.some(([from, to]) => from < physicalOffset + recordBytes && to > physicalOffset),
    ),
  );
}

import type { ReadView } from './read-view.js';

/** Every topic that has, or has had, a message, with its queues; sorted. */
export function topics(view: ReadView): readonly { readonly topic: string; readonly queueIds: readonly number[] }[] {
  view.assertReadable();
  const { registry, queues } = view;
  const found: { topic: string; queueIds: readonly number[] }[] = [];
  for (const topic of registry.topics()) {
    const used = registry.slotsOf(topic).filter((slot) => queues.bounds(slot).max > 0);
    if (used.length > 0) found.push({ topic, queueIds: used.map((slot) => registry.queueIdOf(slot)).sort((a, b) => a - b) });
  }
  return found.sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

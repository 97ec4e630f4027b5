import { openStore, type Store, type StoreOptions } from '../../src/index.js';
import type { OpenForLoad } from '../../bench/load/check-stored.js';
import { loadTopic } from '../../bench/load/load-messages.js';

/** What of a store is replaced by something worse. */
type Worse = (store: Store) => Partial<Store>;

/** Opens real stores that behave as they do but for what is replaced: what every load program must find out. */
export function openWorse(worse: Worse, changeOptions: (options: StoreOptions) => StoreOptions = (options) => options): OpenForLoad {
  return async (directory, options) => {
    const store = await openStore(directory, changeOptions(options));
    const replaced = worse(store);
    return new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(name in replaced ? replaced : target, name);
        return typeof value === 'function' ? (value as (...given: unknown[]) => unknown).bind(name in replaced ? replaced : target) : value;
      },
    });
  };
}

/** Gives a receipt for every message, but has stored only those that `keeps` says; counted over `append` and `appendBatch`. */
export function losing(keeps: (ordinal: number) => boolean): OpenForLoad {
  return openWorse((store) => {
    let ordinal = 0;
    const keepNext = (): boolean => keeps(ordinal++);
    return {
      tailAll: (options) => store.tailAll({ ...options, topics: [loadTopic] }),
      append: (message, options) => (keepNext() ? store.append(message, options) : store.append({ ...message, topic: 'lost' }, options)),
      appendBatch: ((messages, options) =>
        store.appendBatch(
          messages.map((message) => (keepNext() ? message : { ...message, topic: 'lost' })),
          options,
        )) as Store['appendBatch'],
    };
  });
}

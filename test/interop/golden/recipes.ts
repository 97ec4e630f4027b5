import type { Dialect } from '../maven/class-path.js';

/** How a golden store comes to be. */
export interface Recipe {
  readonly name: string;
  readonly what: string;
  readonly dialect: Dialect;
  readonly end: 'closed' | 'killed';
  /**
   * `store`: the stock store alone is given messages of every kind. `broker`: clients and a broker fill it. `copies`: stratalog fills it, and
   * then a broker works with what it finds.
   */
  readonly way: 'store' | 'broker' | 'copies';
  /** Beside those that make everything small. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly storeHost: string;
  /** Waits until the broker has deleted its oldest segments; its clean-up first looks a minute after the start. */
  readonly isTrimmed: boolean;
  /** With these words stratalog refuses the store, which is in a shape that it does not read. */
  readonly refusedAs: string | undefined;
}

const recipe = (given: Pick<Recipe, 'name' | 'what' | 'dialect' | 'end' | 'way'> & Partial<Recipe>): Recipe => ({
  settings: {},
  storeHost: '192.168.1.10',
  isTrimmed: false,
  refusedAs: undefined,
  ...given,
});

const everyHour: string = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0')).join(';');

const refused = (name: string, refusedAs: string, settings: Recipe['settings']): Recipe =>
  recipe({ name, what: refusedAs, dialect: 'v5', end: 'closed', way: 'store', settings, refusedAs });

const refusals: readonly Recipe[] = [
  refused('v5-refused-ext', 'extended queues', { enableConsumeQueueExt: true, mappedFileSizeConsumeQueueExt: 65_536 }),
  refused('v5-refused-batch', 'batch queues', { mapperFileSizeBatchConsumeQueue: 4_600 }),
  refused('v5-refused-rocksdb', 'RocksDB queues', { storeType: 'defaultRocksDB' }),
];

export const recipes: readonly Recipe[] = [
  recipe({ name: 'v5-closed', what: 'messages of every kind', dialect: 'v5', end: 'closed', way: 'store' }),
  recipe({
    name: 'v5-checksum-killed',
    what: 'property checksum on, the process killed',
    dialect: 'v5',
    end: 'killed',
    way: 'store',
    settings: { enabledAppendPropCRC: true },
  }),
  recipe({
    name: 'v5-ipv6-killed',
    what: 'IPv6 store host, the process killed',
    dialect: 'v5',
    end: 'killed',
    way: 'store',
    storeHost: '2001:db8::1',
  }),
  recipe({ name: 'v4-closed', what: 'messages of every kind', dialect: 'v4', end: 'closed', way: 'store' }),
  recipe({
    name: 'v4-ipv6-killed',
    what: 'IPv6 store host, the process killed',
    dialect: 'v4',
    end: 'killed',
    way: 'store',
    storeHost: '2001:db8::1',
  }),
  recipe({
    name: 'v5-broker-closed',
    what: 'clients and a broker: batches, delay levels, timer, transactions, retries, dead letters; property checksum on',
    dialect: 'v5',
    end: 'closed',
    way: 'broker',
    settings: { enabledAppendPropCRC: true },
  }),
  recipe({
    name: 'v5-broker-killed',
    what: 'the same, property checksum off, the process killed',
    dialect: 'v5',
    end: 'killed',
    way: 'broker',
  }),
  recipe({ name: 'v4-broker-closed', what: 'clients and a broker, as far as 4.9 goes', dialect: 'v4', end: 'closed', way: 'broker' }),
  recipe({ name: 'v4-broker-killed', what: 'the same, the process killed', dialect: 'v4', end: 'killed', way: 'broker' }),
  recipe({
    name: 'v5-copies-closed',
    what: 'filled by stratalog with record checksums; a broker without them has copied records: retries, delayed and half messages',
    dialect: 'v5',
    end: 'closed',
    way: 'copies',
  }),
  recipe({ name: 'v4-copies-killed', what: 'the same by 4.9, the process killed', dialect: 'v4', end: 'killed', way: 'copies' }),
  recipe({
    name: 'v5-own-delay-levels',
    what: 'a broker with delay levels of its own: the times in the queue entries of delayed messages follow from no level that stratalog knows',
    dialect: 'v5',
    end: 'closed',
    way: 'store',
    settings: { messageDelayLevel: '10m 20m 30m 7h' },
  }),
  recipe({
    name: 'v5-trimmed-closed',
    what: 'the broker has deleted all segments but the last',
    dialect: 'v5',
    end: 'closed',
    way: 'store',
    settings: { fileReservedTime: 0, deleteWhen: everyHour, cleanResourceInterval: 2_000 },
    isTrimmed: true,
  }),
  ...refusals,
];

export { StoreError } from './base/errors.js';
export type { StoreErrorCode, StoreErrorDetails } from './base/errors.js';
export type { EpochMs, PhysicalOffset, QueueOffset } from './base/quantities.js';
export { queueFor } from './base/xxh64.js';
export type { ConsumerGroup, ConsumerPosition } from './format/consumer-groups.js';
export type { AppendReceipt, Message, NewMessage, SystemFields } from './format/message.js';
export { openStore } from './open-store.js';
export { nodePlatform } from './platform/node-platform.js';
export type { Clock, DirectoryLock, FileSystem, Platform, StoreFile } from './platform/platform.js';
export { type ConsumerGroupOptions, readConsumerGroups, writeConsumerGroups } from './store/consumer-groups.js';
export type {
  Abortable,
  AppendOptions,
  DispatchTarget,
  EndAt,
  FlushMode,
  KeyQuery,
  QueueRef,
  ReadOptions,
  ReadResult,
  RecoveryReport,
  StartAt,
  Store,
  StoreListener,
  StoreOptions,
  StoreReader,
  StoreStats,
  StoreStatus,
  Tail,
  TailOptions,
  VerifyReport,
  Watermarks,
} from './store/contract.js';
export { diagnosticsChannels } from './store/listening.js';

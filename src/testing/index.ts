/** `stratalog/testing`: what a program needs to test itself, and what the store is tested with. */
export { type ConformanceCheck, fileSystemConformance } from './conformance.js';
export type { Fault, FaultRule } from './fault-rules.js';
export { type FaultyPlatform, faultyPlatform } from './faulty-platform.js';
export { manualClock } from './manual-clock.js';
export { type MemoryPlatform, memoryPlatform } from './memory-platform.js';
export { storeConformance, type StoreConformanceOptions } from './store-conformance.js';
export { traceCalls } from './trace-calls.js';
export { type PlatformCall, withFaults } from './with-faults.js';

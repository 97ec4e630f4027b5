import { readInt64, writeInt64 } from '../../base/bytes.js';
import { magicBlank } from '../record-layout.js';

/**
 * RocketMQ's timer. A unit of `timerlog`, 52 bytes:
 *
 *    0 i32 52   4 i64 previous unit of the slot, -1: none   12 i32 magic bits (1 normal, 2 roll, 4 delete)
 *   16 i64 base time   24 i32 delay from it   28 i64 physicalOffset   36 i32 recordBytes   40 i32 hash of the topic   44 i64 0
 *
 * A slot of `timerwheel`, 32 bytes: i64 time / precision, i64 first and i64 last unit's position, i32 units, i32 0.
 */
const timerUnitBytes = 52;
const timerBlankBytes = 16;
export const wheelSlotBytes = 32;
/** Seven days of seconds, twice. */
const wheelSlotCount = 1_209_600;

export interface TimerUnit {
  readonly previousPosition: number;
  readonly magic: number;
  readonly baseTime: number;
  readonly delayMs: number;
  readonly physicalOffset: number;
  readonly recordBytes: number;
  readonly topicHash: number;
}

export function encodeTimerUnit(unit: TimerUnit): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(timerUnitBytes);
  bytes.writeInt32BE(timerUnitBytes, 0);
  writeInt64(bytes, unit.previousPosition, 4);
  bytes.writeInt32BE(unit.magic, 12);
  writeInt64(bytes, unit.baseTime, 16);
  bytes.writeInt32BE(unit.delayMs, 24);
  writeInt64(bytes, unit.physicalOffset, 28);
  bytes.writeInt32BE(unit.recordBytes, 36);
  bytes.writeInt32BE(unit.topicHash, 40);
  return bytes;
}

/** `blank`: the rest of the segment is unused; `undefined`: nothing valid. */
export function decodeTimerUnit(bytes: Buffer, at: number = 0): TimerUnit | 'blank' | undefined {
  if (at < 0 || bytes.length - at < timerBlankBytes) return undefined;
  const magic = bytes.readInt32BE(at + 12);
  if (magic === magicBlank) return 'blank';
  if (bytes.length - at < timerUnitBytes || bytes.readInt32BE(at) !== timerUnitBytes || (magic & ~0xf) !== 0) return undefined;
  return {
    previousPosition: readInt64(bytes, at + 4),
    magic,
    baseTime: readInt64(bytes, at + 16),
    delayMs: bytes.readInt32BE(at + 24),
    physicalOffset: readInt64(bytes, at + 28),
    recordBytes: bytes.readInt32BE(at + 36),
    topicHash: bytes.readInt32BE(at + 40),
  };
}

export interface WheelSlot {
  /** Time divided by the precision. */
  readonly tick: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly unitCount: number;
}

/** The slot of a time, `precisionMs` being 1000 by default in RocketMQ. */
export function wheelSlotIndex(timeMs: number, precisionMs: number): number {
  return Math.floor(timeMs / precisionMs) % wheelSlotCount;
}

export function encodeWheelSlot(slot: WheelSlot): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(wheelSlotBytes);
  writeInt64(bytes, slot.tick, 0);
  writeInt64(bytes, slot.firstPosition, 8);
  writeInt64(bytes, slot.lastPosition, 16);
  bytes.writeInt32BE(slot.unitCount, 24);
  return bytes;
}

/** `undefined`: empty, i.e. the slot is of another time, or there are too few bytes. */
export function decodeWheelSlot(bytes: Buffer, at: number, tick: number): WheelSlot | undefined {
  if (at < 0 || bytes.length - at < wheelSlotBytes || readInt64(bytes, at) !== tick) return undefined;
  return { tick, firstPosition: readInt64(bytes, at + 8), lastPosition: readInt64(bytes, at + 16), unitCount: bytes.readInt32BE(at + 24) };
}

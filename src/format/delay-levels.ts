/** Delays of levels 1 to 18 of RocketMQ's schedule topic, its default list. */
const delaysMs: readonly number[] = [1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1_200, 1_800, 3_600, 7_200].map(
  (seconds) => seconds * 1_000,
);

/** The delay of a level; one above the highest counts as the highest. The level must be above 0. */
export function delayOfLevelMs(level: number): number {
  return delaysMs[Math.min(level, delaysMs.length) - 1] ?? 1_000;
}

/** The text of a DELAY property as RocketMQ reads it: an optional sign and digits, 32 bits. `undefined`: not a number. */
export function parseDelayLevel(text: string): number | undefined {
  if (!/^[+-]?\d{1,32}$/.test(text)) return undefined;
  const level = Number(text);
  return level >= -2_147_483_648 && level <= 2_147_483_647 ? level : undefined;
}

const delayMaxMs = 366 * 24 * 3_600_000;

/**
 * Whether a queue entry of the schedule topic that holds `tagsCode` can hold the time of delivery of a message stored at `storedAt`. The
 * levels are a setting of the broker, so that the record does not tell exactly; a level of more than a year is none.
 */
export function isDeliveryTime(tagsCode: number, storedAt: number): boolean {
  return tagsCode >= storedAt && tagsCode - storedAt <= delayMaxMs;
}

/** How figures are written for people: grouped digits, units, three digits of precision where more would be noise. */
const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function formatCount(count: number): string {
  return grouped.format(count);
}

/** Decimal units: MB is a million bytes, as disks and networks are measured. */
export function formatBytes(bytes: number): string {
  if (bytes < 10_000) return `${grouped.format(bytes)} B`;
  if (bytes < 10_000_000) return `${precise(bytes / 1e3)} KB`;
  if (bytes < 10_000_000_000) return `${precise(bytes / 1e6)} MB`;
  return `${precise(bytes / 1e9)} GB`;
}

export function formatMs(ms: number): string {
  if (ms < 0.1) return `${precise(ms * 1_000)} us`;
  if (ms < 10_000) return `${precise(ms)} ms`;
  return `${precise(ms / 1_000)} s`;
}

/** Of something that happened `count` times in `ms`. */
export function formatRate(count: number, ms: number, unit: string): string {
  return `${grouped.format(perSecond(count, ms))} ${unit}/s`;
}

export function formatByteRate(bytes: number, ms: number): string {
  return `${precise(perSecond(bytes, ms) / 1e6)} MB/s`;
}

/** 0 if no time has passed that the clock could see. */
export function perSecond(count: number, ms: number): number {
  return ms > 0 ? (count * 1_000) / ms : 0;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

function precise(value: number): string {
  if (value >= 100) return grouped.format(value);
  return value.toFixed(value >= 10 ? 1 : 2);
}

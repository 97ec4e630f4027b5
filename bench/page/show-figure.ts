import { formatBytes, formatCount, formatMs } from '../common/numbers.js';
import type { Unit } from './figures.js';

/** A figure as people read it, with its unit. A time of exactly 0 is one that was not measured: the loop had no turn to be late for. */
export function showFigure(value: string | number | null, unit: Unit | 'text'): string {
  if (value === null || (typeof value === 'number' && !Number.isFinite(value))) return '–';
  if (typeof value === 'string') return value;
  if (value === 0 && (unit === 'ms' || unit === 'us')) return '–';
  switch (unit) {
    case 'bytes':
      return formatBytes(value);
    case 'bytes/s':
      return `${formatBytes(value)}/s`;
    case 'ms':
      return formatMs(value);
    case 'us':
      return formatMs(value / 1e3);
    case 's':
      return formatMs(value * 1e3);
    case 'messages/s':
    case 'calls/s':
      return `${formatCount(value)}/s`;
    case 'ratio':
      return `${value.toFixed(value >= 10 ? 1 : 2)} x`;
    case 'percent':
      return `${value} %`;
    default:
      return formatCount(value);
  }
}

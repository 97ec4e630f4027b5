import { StoreError, type StoreErrorCode } from '../base/errors.js';

const shownCharactersMax = 64;

/** A value as an error message shows it: short, whatever it is, and never a body. */
function shown(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > shownCharactersMax ? `${value.slice(0, shownCharactersMax)}…` : value);
  }
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'symbol' || typeof value === 'function') return typeof value;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : Object.prototype.toString.call(value);
  return String(value);
}

export function wrongType(argument: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${argument} must be ${expected}, got ${shown(value)}`);
}

export function outOfRange(argument: string, expected: string, value: unknown): RangeError {
  return new RangeError(`${argument} must be ${expected}, got ${shown(value)}`);
}

export function topicInvalid(topic: string, why: string): StoreError {
  return new StoreError('TOPIC_INVALID', `topic ${shown(topic)}: ${why}`, { details: { argument: 'topic', value: topic } });
}

export function messageInvalid(argument: string, value: unknown, why: string): StoreError {
  return new StoreError('MESSAGE_INVALID', `${argument} ${shown(value)}: ${why}`, { details: { argument, value } });
}

export function tooLarge(
  code: Extract<StoreErrorCode, 'MESSAGE_TOO_LARGE' | 'PROPERTIES_TOO_LARGE'>,
  what: string,
  limit: number,
  actual: number,
): StoreError {
  return new StoreError(code, `${what}: ${actual} bytes, at most ${limit} are allowed`, { details: { limit, actual } });
}

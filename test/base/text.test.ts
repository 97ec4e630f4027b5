import { expect, it } from 'vitest';
import { isWellFormed } from '../../src/base/text.js';

it('tells texts that UTF-8 can hold from those with half a character', () => {
  expect(isWellFormed('')).toBe(true);
  expect(isWellFormed('é \u{1f680}')).toBe(true);
  expect(isWellFormed('a\ud83d')).toBe(false);
  expect(isWellFormed('\ude80\ud83d')).toBe(false);
});

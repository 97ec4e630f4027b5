import { InvalidArgumentError } from 'commander';

/** A whole number from `min` on, as an option of a command line. */
export function oneNumber(min: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!Number.isSafeInteger(number) || number < min) throw new InvalidArgumentError(`it must be a whole number from ${min}`);
    return number;
  };
}

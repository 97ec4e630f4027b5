import { InvalidArgumentError } from 'commander';

/** Parsers for the values of command line options; commander names the option when one of them throws. */
const units: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, ki: 1024, mi: 1024 ** 2, gi: 1024 ** 3 };

/** A whole number of at least `min`; `20000`, `20_000`, `20k`, `1m`, `1gi`. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const match = /^(\d[\d_]*)(k|m|g|ki|mi|gi)?$/i.exec(text);
    const value = match === null ? Number.NaN : Number((match[1] ?? '').replaceAll('_', '')) * (units[(match[2] ?? '').toLowerCase()] ?? 1);
    if (!Number.isSafeInteger(value) || value < min) throw new InvalidArgumentError(`Not a whole number of at least ${min}.`);
    return value;
  };
}

export function oneOf<const Value extends string>(values: readonly Value[]): (text: string) => Value {
  return (text) => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new InvalidArgumentError(`Not one of ${values.join(', ')}.`);
    return found;
  };
}

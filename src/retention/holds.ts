/** Offsets from which somebody wants the log kept, whatever retention says. */
export class Holds {
  readonly #offsets = new Map<symbol, number>();

  add(offset: number): { release(): void } {
    const key = Symbol('hold');
    this.#offsets.set(key, offset);
    return { release: () => void this.#offsets.delete(key) };
  }

  /** Nothing at or above it may go. */
  get lowest(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#offsets.values());
  }
}

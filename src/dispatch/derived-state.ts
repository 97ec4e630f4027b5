/** What the derived structures hold durably at a safe point. */
export interface DerivedState {
  readonly safeOffset: number;
  readonly clean: boolean;
  /** Where the log began, at least, when the queues got their `min`. */
  readonly trimmedTo: number;
  readonly bounds: readonly { readonly slot: number; readonly min: number; readonly max: number }[];
  /** Undefined: there is no key index. */
  readonly index: readonly { readonly name: string; readonly entryCount: number; readonly endPhysicalOffset: number }[] | undefined;
}

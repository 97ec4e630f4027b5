/**
 * Counts what is allocated outside of the heap: every way the engine has of asking for bytes goes through one of these. A pool's slice
 * counts as what was asked for.
 */
let bytesSoFar = 0;

export function allocatedBytes(): number {
  return bytesSoFar;
}

type Allocation = (...values: never[]) => { readonly byteLength: number };

export function countAllocations(): void {
  const buffer = Buffer as unknown as Record<string, Allocation>;
  for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow', 'concat', 'from']) {
    const original = (buffer[name] as Allocation).bind(Buffer);
    buffer[name] = (...values) => {
      const made = original(...values);
      // A view of somebody else's bytes is none of ours.
      if (name !== 'from' || !((values[0] as unknown) instanceof ArrayBuffer)) bytesSoFar += made.byteLength;
      return made;
    };
  }
  for (const name of ['Uint8Array', 'Int32Array', 'ArrayBuffer'] as const) {
    const original = globalThis[name] as unknown as new (...values: unknown[]) => { readonly byteLength: number };
    const counting = new Proxy(original, {
      construct(target, values: unknown[], newTarget) {
        const made = Reflect.construct(target, values, newTarget) as { readonly byteLength: number };
        if (!(values[0] instanceof ArrayBuffer)) bytesSoFar += made.byteLength;
        return made;
      },
    });
    Object.defineProperty(globalThis, name, { value: counting, configurable: true, writable: true });
  }
}

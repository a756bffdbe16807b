/** A string as C has it. */
export function text(value: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${value}\0`);
}

/** Strings as C has a list of them; `held` keeps them from being collected. */
export function strings(values: readonly string[]) {
  const held = values.map(text);
  const pointers = BigUint64Array.from(held, (bytes) => BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes))));
  return { held, pointers };
}

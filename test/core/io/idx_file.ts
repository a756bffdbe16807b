/** An IDX file of unsigned bytes of the given sizes. */
export function idxOfBytes(shape: readonly number[], bytes: Iterable<number>): Uint8Array<ArrayBuffer> {
  const sizes = shape.flatMap((n) => [n >>> 24, n >> 16, n >> 8, n]);
  const all = [...bytes], file = new Uint8Array(4 + sizes.length + all.length);
  file.set([0, 0, 8, shape.length, ...sizes]);
  file.set(all, 4 + sizes.length);
  return file;
}

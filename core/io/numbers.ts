/** The numbers that files hold: unsigned and signed integers, IEEE floats and bfloat16, with the bytes of one. */
export const NUMBER_BYTES = {
  u1: 1,
  i1: 1,
  u2: 2,
  i2: 2,
  u4: 4,
  i4: 4,
  u8: 8,
  i8: 8,
  f2: 2,
  bf2: 2,
  f4: 4,
  f8: 8,
} as const;

/** A type of number by its kind and bytes. */
export type NumberType = keyof typeof NUMBER_BYTES;

/** A class of arrays of numbers, and what it needs of them. */
interface NumberArray {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): ArrayLike<number> | ArrayLike<bigint>;
}

/** Arrays whose values need no more than a conversion; bfloat16 has no array of its own. */
const ARRAYS: Readonly<Record<Exclude<NumberType, "bf2">, NumberArray>> = {
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  u4: Uint32Array,
  i4: Int32Array,
  u8: BigUint64Array,
  i8: BigInt64Array,
  f2: Float16Array,
  f4: Float32Array,
  f8: Float64Array,
};

/** Whether every number of a type is a float32, so that nothing is lost where it is kept as one. */
export function fitsFloat32(type: NumberType): boolean {
  return NUMBER_BYTES[type] <= 2 || type === "f4";
}

/**
 * Numbers as they are kept in memory: float32 where each is one, float64 otherwise. Integers beyond 2⁵³ are rounded to the
 * nearest float64.
 *
 * @param bytes Whole little-endian numbers.
 */
export function toFloats(bytes: Uint8Array, type: NumberType): Float32Array | Float64Array {
  if (fitsFloat32(type)) return toFloat32Array(bytes, type);
  const { buffer, byteOffset } = aligned(bytes, NUMBER_BYTES[type]);
  const length = bytes.length / NUMBER_BYTES[type];
  if (type === "f8") return new Float64Array(buffer, byteOffset, length);
  const values = new ARRAYS[type as Exclude<NumberType, "bf2">](buffer, byteOffset, length);
  const out = new Float64Array(length);
  for (let i = 0; i < length; i++) out[i] = Number(values[i]);
  return out;
}

/** What a type is called in words, as NumPy calls it. */
export function typeName(type: NumberType): string {
  if (type === "bf2") return "bfloat16";
  const kind = { u: "uint", i: "int", f: "float" }[type[0] as "u" | "i" | "f"];
  return `${kind}${8 * NUMBER_BYTES[type]}`;
}

/**
 * Numbers as float32, each rounded to the nearest. Those that are float32 already are not copied.
 *
 * @param bytes Whole little-endian numbers, as every platform of Deno has them.
 */
export function toFloat32Array(bytes: Uint8Array, type: NumberType): Float32Array {
  const { buffer, byteOffset } = aligned(bytes, NUMBER_BYTES[type]);
  const length = bytes.length / NUMBER_BYTES[type];
  if (type === "f4") return new Float32Array(buffer, byteOffset, length);
  const out = new Float32Array(length);
  if (type === "bf2") {
    // A bfloat16 is the upper half of a float32.
    const halves = new Uint16Array(buffer, byteOffset, length), words = new Uint32Array(out.buffer);
    for (let i = 0; i < length; i++) words[i] = halves[i] << 16;
    return out;
  }
  const values = new ARRAYS[type](buffer, byteOffset, length);
  for (let i = 0; i < length; i++) out[i] = Number(values[i]);
  return out;
}

/** Reverses the bytes of each number of `size` bytes, in place, and returns them. */
export function swapBytes(bytes: Uint8Array, size: number): Uint8Array {
  for (let begin = 0; begin < bytes.length; begin += size) {
    for (let i = begin, j = begin + size - 1; i < j; i++, j--) [bytes[i], bytes[j]] = [bytes[j], bytes[i]];
  }
  return bytes;
}

/** The bytes themselves where numbers of `size` bytes may lie at their offset, a copy otherwise. */
export function aligned(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : bytes.slice();
}

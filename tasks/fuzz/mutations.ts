import fc from "fast-check";
import { joined, latin1, type Seed } from "./seed.ts";

/** Where a change is made: a position anywhere, or among the lengths, counts and types. */
interface Place {
  readonly at: number;
  readonly inHead: boolean;
}

/** A change of a file's bytes. */
export type Mutation =
  | { readonly kind: "flip"; readonly place: Place; readonly bit: number }
  | { readonly kind: "byte"; readonly place: Place; readonly value: number }
  | {
    readonly kind: "integer";
    readonly place: Place;
    readonly size: 1 | 2 | 4 | 8;
    readonly bigEndian: boolean;
    readonly value: bigint;
  }
  | { readonly kind: "fill"; readonly place: Place; readonly length: number; readonly value: number }
  | { readonly kind: "truncate" | "drop" | "double" | "swap"; readonly place: Place; readonly length: number }
  | { readonly kind: "splice"; readonly place: Place; readonly from: number; readonly length: number }
  | { readonly kind: "number" | "word"; readonly index: number; readonly text: string }
  | { readonly kind: "nest"; readonly place: Place; readonly text: string; readonly times: number };

/** A damaged file: a seed and what is done to it. */
export interface Damage {
  readonly seed: number;
  readonly mutations: readonly Mutation[];
}

const NUMBERS = [
  ...["0", "-1", "1", "2", "7", "255", "65536", "2147483648", "4294967296", "9007199254740993", "18446744073709551616"],
  ...["1e9", "1e308", "1e999", "-0", "0.1", "1.5", "NaN", "Infinity", "null", "", "9".repeat(400)],
];
const WORDS = [
  ...["null", "true", "[]", "{}", '""', '"x"', "[[]]", "-1", "1e999", '"__proto__"', '"\\u0000"', '"é\\n"', ","],
  ...[":", '"', "\n", "\r", "\0", "\ufeff", ";", "\t", "#", "[1,2]", '{"a":{"b":[1]}}', "x".repeat(5000)],
];
const NESTS = ["[", "{", "(", "]", "}", ")", '{"a":', "[0,", '"', "\\", "0", ",", "\n", "\x80", "\0", "N", "q\0"];

/** Integers at which counts and offsets overflow, or nearly. */
const INTEGERS = [
  ...[0n, 1n, 2n, 3n, 4n, 8n, 16n, 127n, 128n, 255n, 256n, 1000n, 32767n, 65535n, 65536n, 1n << 20n, 1n << 24n],
  ...[(1n << 31n) - 1n, 1n << 31n, (1n << 32n) - 1n, 1n << 32n, 1n << 40n, (1n << 53n) + 1n, (1n << 63n) - 1n],
  ...[(1n << 64n) - 1n, (1n << 64n) - 8n],
];

const place = fc.record({ at: fc.nat({ max: 2 ** 30 }), inHead: fc.boolean() });
const length = fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 2000 }));

/** Small changes are the most likely: most files that have large ones are refused for the same few reasons. */
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("flip" as const), place, bit: fc.nat(7) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("byte" as const), place, value: fc.nat(255) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("integer" as const),
      place,
      size: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
      bigEndian: fc.boolean(),
      value: fc.constantFrom(...INTEGERS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("fill" as const), place, length, value: fc.constantFrom(0, 1, 127, 255) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("truncate" as const, "drop" as const, "double" as const, "swap" as const),
      place,
      length,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("splice" as const), place, from: fc.nat({ max: 2 ** 30 }), length }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("number" as const),
      index: fc.nat(1000),
      text: fc.constantFrom(...NUMBERS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("word" as const), index: fc.nat(1000), text: fc.constantFrom(...WORDS) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("nest" as const),
      place,
      text: fc.constantFrom(...NESTS),
      times: fc.constantFrom(1, 2, 30, 200, 3000, 100_000),
    }),
  },
);

/** Damaged files of some seeds, as many of each and at any place: where numbers are small says nothing of a file. */
export function damages(seeds: number): fc.Arbitrary<Damage> {
  return fc.noBias(
    fc.record({ seed: fc.nat(seeds - 1), mutations: fc.array(mutation, { minLength: 1, maxLength: 3 }) }),
  );
}

/** The file that a damage makes. */
export async function damaged(seeds: readonly Seed[], { seed, mutations }: Damage): Promise<Uint8Array> {
  const { bytes, wrap, head } = seeds[seed];
  const other = seeds[(seed + 1) % seeds.length].bytes;
  const part = mutations.reduce((part, each) => mutated(part, each, head, other), Uint8Array.from(bytes));
  return wrap ? await wrap(part) : part;
}

function mutated(
  bytes: Uint8Array<ArrayBuffer>,
  mutation: Mutation,
  head: Seed["head"],
  other: Uint8Array,
): Uint8Array<ArrayBuffer> {
  if (!("place" in mutation)) {
    return replaced(bytes, mutation.kind === "number" ? /\d+/g : /[^\s,:;[\]{}()]+/g, mutation.index, mutation.text);
  }
  const [first, last] = mutation.place.inHead && head ? head : [0, bytes.length];
  const begin = Math.min(bytes.length, first + mutation.place.at % Math.max(1, last - first));
  switch (mutation.kind) {
    case "flip":
      if (begin < bytes.length) bytes[begin] ^= 1 << mutation.bit;
      return bytes;
    case "byte":
      if (begin < bytes.length) bytes[begin] = mutation.value;
      return bytes;
    case "integer": {
      const value = new Uint8Array(8);
      new DataView(value.buffer).setBigUint64(0, mutation.value, true);
      const some = value.slice(0, mutation.size);
      if (mutation.bigEndian) some.reverse();
      bytes.set(some.subarray(0, bytes.length - begin), begin);
      return bytes;
    }
    case "fill":
      return bytes.fill(mutation.value, begin, begin + mutation.length);
    case "truncate":
      return bytes.slice(0, begin);
    case "drop":
      return joined(bytes.subarray(0, begin), bytes.subarray(begin + mutation.length));
    case "double":
      return joined(bytes.subarray(0, begin + mutation.length), bytes.subarray(begin));
    case "swap": {
      const middle = Math.min(bytes.length, begin + mutation.length), end = middle + mutation.length;
      return joined(
        ...[bytes.subarray(0, begin), bytes.subarray(middle, end), bytes.subarray(begin, middle), bytes.subarray(end)],
      );
    }
    case "splice": {
      const from = mutation.from % Math.max(1, other.length);
      return joined(bytes.subarray(0, begin), other.subarray(from, from + mutation.length), bytes.subarray(begin));
    }
    case "nest":
      return joined(bytes.subarray(0, begin), latin1(mutation.text.repeat(mutation.times)), bytes.subarray(begin));
  }
}

/** Replaces one of the places where a text has what matches; the bytes of a long file are searched at its two ends. */
function replaced(
  bytes: Uint8Array<ArrayBuffer>,
  pattern: RegExp,
  index: number,
  text: string,
): Uint8Array<ArrayBuffer> {
  const SEARCHED = 20_000;
  const found = [...new TextDecoder("latin1").decode(bytes.subarray(0, SEARCHED)).matchAll(pattern)];
  if (found.length === 0) return bytes;
  const { 0: old, index: at } = found[index % found.length];
  return joined(bytes.subarray(0, at), new TextEncoder().encode(text), bytes.subarray(at + old.length));
}

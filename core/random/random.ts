import { philoxBlock } from "./philox.ts";
import { type HostTensor, sizeOf } from "../data/tensors.ts";

export { philox4x32 } from "./philox.ts";

/** Where a {@link Random} stands, as plain JSON. */
export interface RandomState {
  /** The generator. */
  readonly algorithm: "philox4x32-10";
  /** The 64-bit key of the stream as two unsigned 32-bit words, low word first. */
  readonly key: readonly [number, number];
  /** The next word to draw. The counter of its Philox block is `floor(position / 4)`. */
  readonly position: number;
}

const ALGORITHM = "philox4x32-10";
const TWO_32 = 2 ** 32;

/** The last counter word keeps the uses of one key apart: draws, number labels, string labels and their chunks. */
const DRAW = 0, NUMBER_LABEL = 1, STRING_LABEL = 2, STRING_CHUNK = 3;

/** The largest float32 below 1. */
const BELOW_ONE = 1 - 2 ** -24;

/**
 * A seeded, splittable, counter-based generator: a stream of 32-bit words, word `i` a pure function of the key and
 * `i` (Philox4x32-10). The same numbers come out on every machine, and any place of the stream is one `seek` away.
 *
 * A uniform takes one word. Normals come in pairs (Box–Muller) that start at an even position and take two words.
 */
export class Random {
  readonly #key0: number;
  readonly #key1: number;
  #position: number;
  /** The block that `#words` holds, −1 for none. */
  #block = -1;
  readonly #words = new Uint32Array(4);

  private constructor(key0: number, key1: number, position: number) {
    this.#key0 = key0 >>> 0;
    this.#key1 = key1 >>> 0;
    this.#position = position;
  }

  /** The generator of a seed, which becomes the key. Throws a `RangeError` unless it is a safe integer from 0 on. */
  static fromSeed(seed: number): Random {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(`The seed is ${seed}, expected a whole number from 0 to 2^53 - 1: give such a seed.`);
    }
    return new Random(seed % TWO_32, Math.floor(seed / TWO_32), 0);
  }

  /** A generator in a saved state. Throws a `TypeError` that names what is not as {@link RandomState} says. */
  static restore(state: unknown): Random {
    const { algorithm, key, position } = (state ?? {}) as Record<string, unknown>;
    if (algorithm !== ALGORITHM) throw stateError("algorithm", algorithm, `"${ALGORITHM}"`);
    if (!Array.isArray(key) || key.length !== 2 || !key.every(isWord)) {
      throw stateError("key", key, "two whole numbers from 0 to 2^32 - 1");
    }
    if (!isPosition(position)) throw stateError("position", position, "a whole number from 0 to 2^53 - 1");
    return new Random(key[0], key[1], position);
  }

  /** Where the generator stands: a copy restored from it goes on with the same numbers. */
  get state(): RandomState {
    return { algorithm: ALGORITHM, key: [this.#key0, this.#key1], position: this.#position };
  }

  /**
   * An independent stream for `label`. It depends on this generator's key alone, not on how far it was drawn from,
   * and draws nothing. The labels `1` and `"1"` give different streams.
   */
  split(label: string | number): Random {
    const out = new Uint32Array(4);
    if (typeof label === "number") {
      const bits = new DataView(new ArrayBuffer(8));
      bits.setFloat64(0, label === 0 ? 0 : label);
      philoxBlock(bits.getUint32(4), bits.getUint32(0), 0, NUMBER_LABEL, this.#key0, this.#key1, out);
      return new Random(out[0], out[1], 0);
    }
    // Each chunk of eight bytes is a counter, encrypted under a key that stands for all before it.
    const bytes = new TextEncoder().encode(label);
    const padded = new DataView(new ArrayBuffer(Math.ceil(bytes.length / 8) * 8));
    bytes.forEach((byte, i) => padded.setUint8(i, byte));
    out[0] = this.#key0;
    out[1] = this.#key1;
    for (let i = 0; i < padded.byteLength; i += 8) {
      philoxBlock(padded.getUint32(i, true), padded.getUint32(i + 4, true), i, STRING_CHUNK, out[0], out[1], out);
    }
    philoxBlock(bytes.length, 0, 0, STRING_LABEL, out[0], out[1], out);
    return new Random(out[0], out[1], 0);
  }

  /**
   * Moves to an absolute position of the stream, in 32-bit words, so that each of several workers can draw its own part
   * of what one would draw: uniform `i` of a stream is at position `i`, and normal `i` too, where `i` is even.
   * Throws a `RangeError` for anything but a whole number from 0 on.
   */
  seek(position: number): void {
    if (!isPosition(position)) {
      throw new RangeError(
        `The position is ${position}, expected a whole number from 0 to 2^53 - 1: seek to such a one.`,
      );
    }
    this.#position = position;
  }

  /** The next 32 random bits, as a whole number from 0 to 2^32 − 1. */
  uint32(): number {
    const index = Math.floor(this.#position / 4);
    if (index !== this.#block) {
      philoxBlock(index | 0, index / TWO_32 | 0, 0, DRAW, this.#key0, this.#key1, this.#words);
      this.#block = index;
    }
    return this.#words[this.#position++ % 4];
  }

  /** A uniform number strictly between 0 and 1: (u + ½) / 2^32 of 32 random bits u, so that its logit is finite. */
  uniform(): number {
    return (this.uint32() + 0.5) / TWO_32;
  }

  /** A standard normal number. It takes a whole pair of words: {@link fillNormal} uses both numbers of a pair. */
  normal(): number {
    return this.fillNormal(new Float64Array(1))[0];
  }

  /**
   * A whole number from 0 to n − 1, each as likely as the other (by rejection, so it may take several words).
   * Throws a `RangeError` unless `n` is a whole number from 1 to 2^32.
   */
  integer(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > TWO_32) {
      throw new RangeError(`The number of choices is ${n}, expected a whole number from 1 to 2^32.`);
    }
    const limit = TWO_32 - TWO_32 % n;
    let word = this.uint32();
    while (word >= limit) word = this.uint32();
    return word % n;
  }

  /**
   * A random order of 0 … n − 1 (Fisher–Yates). Throws a `RangeError` unless `n` is a whole number from 0 to 2^32 − 1.
   */
  permutation(n: number): Uint32Array<ArrayBuffer> {
    if (!isWord(n)) throw new RangeError(`The length is ${n}, expected a whole number from 0 to 2^32 - 1.`);
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = order[i];
      order[i] = order[j];
      order[j] = held;
    }
    return order;
  }

  /**
   * Fills `out` with uniform numbers, as calls of {@link uniform} would give them. In a `Float32Array` they are those
   * numbers rounded, and held below 1. Takes one word a number; returns `out`.
   */
  fillUniform<T extends Float32Array | Float64Array>(out: T): T {
    const n = out.length, top = out instanceof Float32Array ? BELOW_ONE : 1;
    let i = 0;
    while (i < n && this.#position % 4 !== 0) out[i++] = Math.min(this.uniform(), top);
    const key0 = this.#key0, key1 = this.#key1, words = new Uint32Array(4);
    let index = this.#position / 4;
    for (; i + 4 <= n; i += 4, index++) {
      philoxBlock(index | 0, index / TWO_32 | 0, 0, DRAW, key0, key1, words);
      for (let j = 0; j < 4; j++) out[i + j] = Math.min((words[j] + 0.5) / TWO_32, top);
    }
    this.#position = index * 4;
    while (i < n) out[i++] = Math.min(this.uniform(), top);
    return out;
  }

  /**
   * Fills `out` with standard normal numbers (Box–Muller, both numbers of each pair). Starts at the next even position
   * and takes two words a pair, a last odd number as many as a pair, so that a fill in parts of even length equals one
   * fill. The largest number possible is 6.76. Returns `out`.
   */
  fillNormal<T extends Float32Array | Float64Array>(out: T): T {
    const n = out.length;
    if (n === 0) return out;
    this.#position += this.#position % 2;
    const words = new Uint32Array(4);
    // A block holds two pairs; a fill that starts or ends amid a block takes one of them.
    let half = this.#position % 4;
    for (let i = 0, index = Math.floor(this.#position / 4); i < n; index++) {
      philoxBlock(index | 0, index / TWO_32 | 0, 0, DRAW, this.#key0, this.#key1, words);
      for (; half < 4 && i < n; half += 2, i += 2) {
        const radius = Math.sqrt(-2 * Math.log((words[half] + 0.5) / TWO_32));
        const angle = 2 * Math.PI / TWO_32 * (words[half + 1] + 0.5);
        out[i] = radius * Math.cos(angle);
        if (i + 1 < n) out[i + 1] = radius * Math.sin(angle);
      }
      half = 0;
    }
    this.#position += n + n % 2;
    return out;
  }

  /**
   * Fills `out` with a part of what one {@link fillNormal} gives that starts at `start`: the numbers after the first
   * `skipped` of them. So each of several workers draws its own part. Returns `out`.
   */
  fillNormalPart<T extends Float32Array | Float64Array>(start: number, skipped: number, out: T): T {
    const position = start + start % 2 + skipped;
    this.seek(position - position % 2);
    if (position % 2 === 0 || out.length === 0) return this.fillNormal(out);
    // The first number is the second of its pair.
    out[0] = this.fillNormal(new Float64Array(2))[1];
    this.fillNormal(out.subarray(1));
    return out;
  }

  /** A tensor of uniform numbers between `low` and `high`, float32. */
  uniformTensor(shape: readonly number[], low: number, high: number): HostTensor {
    const data = this.fillUniform(new Float32Array(sizeOf(shape)));
    for (let i = 0; i < data.length; i++) data[i] = low + (high - low) * data[i];
    return { shape, data };
  }

  /** A tensor of standard normal numbers, float32. */
  normalTensor(shape: readonly number[]): HostTensor {
    return { shape, data: this.fillNormal(new Float32Array(sizeOf(shape))) };
  }
}

function isWord(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < TWO_32;
}

function isPosition(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function stateError(field: string, got: unknown, expected: string): TypeError {
  return new TypeError(
    `The random generator's saved ${field} is ${
      JSON.stringify(got)
    }, expected ${expected}: restore a state that \`Random.state\` gave.`,
  );
}

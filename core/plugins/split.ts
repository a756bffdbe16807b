import type { Random } from "../random/random.ts";
import { floatSamples, type Samples, selectRows } from "../data/samples.ts";

/** Samples in two parts. */
export interface Split {
  readonly train: Samples;
  readonly validation: Samples;
}

/** Splits samples in two: a tenth of the rows, drawn at random, to validate and the others to train. */
export function splitAtRandom(samples: Samples, random: Random): Split & { readonly splitOrder: Uint32Array } {
  return splitInOrder(samples, random.permutation(samples.count));
}

/** Splits samples in two: of the rows in this order the first nine tenths to train, the rest to validate. */
export function splitInOrder(
  samples: Samples,
  splitOrder: Uint32Array,
): Split & { readonly splitOrder: Uint32Array } {
  const end = Math.floor(0.9 * samples.count), part = (rows: Uint32Array) => selectRows(samples, rows);
  return { train: part(splitOrder.subarray(0, end)), validation: part(splitOrder.subarray(end)), splitOrder };
}

/** Splits rows in two: the first ⌊0.9 n⌋ to train, the rest to validate. The parts share memory with `rows`. */
export function splitRows(rows: Float32Array, dimension: number): Split {
  const end = Math.floor(0.9 * rows.length / dimension) * dimension;
  return {
    train: floatSamples(rows.subarray(0, end), dimension),
    validation: floatSamples(rows.subarray(end), dimension),
  };
}

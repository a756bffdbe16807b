import type { Random } from "../random/random.ts";
import { floatSamples, type Samples, selectRows } from "../data/samples.ts";

/** Samples in two parts. */
export interface Split {
  readonly train: Samples;
  readonly validation: Samples;
}

/** Splits samples in two: a tenth of the rows, drawn at random, to validate and the others to train. */
export function splitAtRandom(samples: Samples, random: Random): Split {
  const order = random.permutation(samples.count), end = Math.floor(0.9 * samples.count);
  return { train: selectRows(samples, order.subarray(0, end)), validation: selectRows(samples, order.subarray(end)) };
}

/** Splits rows in two: the first ⌊0.9 n⌋ to train, the rest to validate. The parts share memory with `rows`. */
export function splitRows(rows: Float32Array, dimension: number): Split {
  const end = Math.floor(0.9 * rows.length / dimension) * dimension;
  return {
    train: floatSamples(rows.subarray(0, end), dimension),
    validation: floatSamples(rows.subarray(end), dimension),
  };
}

import { type Samples, toFloat32 } from "../data/samples.ts";
import type { ComparedTable } from "./compare.ts";
import type { Random } from "../random/random.ts";
import { valueNames } from "../rows/describe_table.ts";
import { type TableCoding, valuesOf } from "../rows/table_coding.ts";

/**
 * Takes from samples, which are whole, what is unknown of training rows drawn at random: otherwise any unknown cell would tell
 * data from samples.
 *
 * @param samples `[n, d]`, changed in place: 0 where it is taken.
 * @returns The flags, `[n, d]`.
 */
export function withGapsOf(
  samples: Float32Array,
  { gaps, count, dimension: d }: Samples,
  random: Random,
): Float32Array {
  const flags = new Float32Array(samples.length);
  for (let row = 0; row < samples.length / d; row++) {
    const from = random.integer(count);
    gaps?.copy(from, from + 1, flags, row * d);
  }
  flags.forEach((flag, i) => {
    if (flag === 1) samples[i] = 0;
  });
  return flags;
}

/** Samples, held-out and training rows by the columns of their table. */
export function comparedTable(
  coding: TableCoding,
  { samples, heldOut, training }: {
    readonly samples: Float32Array;
    readonly heldOut: Float32Array;
    readonly training: Samples;
  },
  gaps: { readonly samples: Float32Array | undefined; readonly heldOut: Float32Array | undefined },
): ComparedTable {
  const width = coding.numbers.length + coding.levels.length, d = training.dimension;
  return {
    names: valueNames(coding, undefined, d),
    kinds: [
      ...coding.numbers.map(() => "number" as const),
      ...coding.levels.map(({ line }) => line ? "number" as const : "class" as const),
    ],
    samples: valuesOf(coding, samples, gaps.samples),
    heldOut: valuesOf(coding, heldOut, gaps.heldOut),
    training: {
      count: training.count,
      dimension: width,
      copy(begin, end, out, at = 0) {
        const flags = training.gaps && toFloat32(training.gaps, begin, end);
        out.set(valuesOf(coding, toFloat32(training, begin, end), flags), at);
      },
    },
  };
}

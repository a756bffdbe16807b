import { type Samples, selectRows } from "../../../core/data/samples.ts";
import { cholesky } from "../../../core/reference/cholesky.ts";
import { Random } from "../../../core/random/random.ts";
import { codingOf, placesOfColumns, type TableCoding, tableSamples } from "../../../core/rows/table_coding.ts";
import type { TableSchema } from "../../../core/rows/column_types.ts";

/** A schema of continuous numbers. */
export function numbersSchema(d: number): TableSchema {
  const names = Array.from({ length: d }, (_, k) => `x${k}`);
  return {
    columns: names.map((name) => ({ name, kind: "number", decimals: 6, min: -10, max: 10 })),
    leftOut: [],
    order: names,
    file: {
      ...{ kind: "csv", delimiter: ",", header: true, point: ".", quotes: "needed", quotedNames: false },
      ...{ newline: "\n", mark: false, gzip: false, spaced: false, missing: "" },
    } as TableSchema["file"],
  };
}

/** A Gaussian of known mean and covariance, and rows of it. */
export interface KnownGaussian {
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
  /** Rows, of which a part of the values is NaN, at random. */
  rows(count: number, label: string, missing: number): Float64Array;
}

/** Correlated, with variances of about 1. */
export function knownGaussian(d: number, seed: number): KnownGaussian {
  const random = Random.fromSeed(seed), mean = random.split("mean").fillNormal(new Float64Array(d));
  const a = random.split("factor").fillNormal(new Float64Array(d * d)), covariance = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      for (let k = 0; k < d; k++) covariance[i * d + j] += a[i * d + k] * a[j * d + k] / d;
      if (i === j) covariance[i * d + j] += 0.3;
    }
  }
  const factor = cholesky(covariance, d)!;
  return {
    mean,
    covariance,
    rows(count, label, missing) {
      const own = random.split(label), normal = own.fillNormal(new Float64Array(count * d));
      const u = own.split("missing").fillUniform(new Float64Array(count * d));
      return Float64Array.from({ length: count * d }, (_, at) => {
        if (u[at] < missing) return NaN;
        const row = Math.floor(at / d), i = at % d;
        let value = mean[i];
        for (let k = 0; k <= i; k++) value += factor[i * d + k] * normal[row * d + k];
        return value;
      });
    },
  };
}

/** Rows as training and validation samples. */
export function gaussianTable(cells: Float64Array, d: number) {
  const n = cells.length / d, end = Math.floor(0.9 * n), rows = Uint32Array.from({ length: n }, (_, i) => i);
  const coding: TableCoding = codingOf(numbersSchema(d), cells, rows.subarray(0, end)),
    all: Samples = tableSamples(coding, cells);
  return {
    coding,
    train: selectRows(all, rows.subarray(0, end)),
    validation: selectRows(all, rows.subarray(end)),
    gaps: placesOfColumns(coding, () => true),
  };
}

import { type Comparison, distances, type Ordered, ordered } from "./resampling.ts";
import { requireAlike, spreadOf, type Table } from "./table.ts";

/** What is measured of a column: of numbers the first three, of classes the last two. */
export const COLUMN_DISTANCES = [
  "wasserstein",
  "ks",
  "unknown",
  "totalVariation",
] as const satisfies readonly ColumnDistance[];

/** 1-Wasserstein, Kolmogorov–Smirnov, the difference of the shares that are unknown, and total variation. */
export type ColumnDistance = "wasserstein" | "ks" | "unknown" | "totalVariation";

/**
 * How far apart each column of two tables is, four numbers a column in the order of {@linkcode COLUMN_DISTANCES}: of
 * numbers the 1-Wasserstein distance in standard deviations of the first table's, and the Kolmogorov–Smirnov distance; of
 * classes the total variation ½ Σ |p − q|, unknown among them; of both by how much the shares of unknown values differ.
 * What a column does not have is NaN.
 *
 * @throws {RangeError} Unless both have the same columns.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { columnDistances } from "./column_distances.ts";
 *
 * const column = (...values: number[]) => ({ name: "c", kind: "class" as const, values: Float64Array.from(values) });
 * const [a, b] = [{ count: 4, columns: [column(0, 0, 1, 1)] }, { count: 2, columns: [column(1, 1)] }];
 * deepEqual([...columnDistances(a, b)()], [NaN, NaN, 0, 0.5]);
 * ```
 */
export function columnDistances(first: Table, second: Table): Comparison {
  requireAlike(first, second);
  const each = first.columns.map(({ kind, values }, k) => {
    const other = second.columns[k].values;
    return kind === "number" ? ofNumbers(values, other) : ofClasses(values, other);
  });
  return (weightsA, weightsB) => Float64Array.from(each.flatMap((compare) => compare(weightsA, weightsB)));
}

type ColumnComparison = (weightsA?: Uint16Array, weightsB?: Uint16Array) => number[];

function ofNumbers(a: Float64Array, b: Float64Array): ColumnComparison {
  const [one, other]: Ordered[] = [ordered(a), ordered(b)], sd = spreadOf(one.values).sd || 1;
  return (weightsA, weightsB) => {
    const { wasserstein, ks } = distances(one, other, weightsA, weightsB);
    return [wasserstein / sd, ks, Math.abs(unknown(a, weightsA) - unknown(b, weightsB)), NaN];
  };
}

function ofClasses(a: Float64Array, b: Float64Array): ColumnComparison {
  return (weightsA, weightsB) => {
    const [p, q] = [shares(a, weightsA), shares(b, weightsB)];
    const levels = [...new Set([...p.keys(), ...q.keys()])];
    const differences = levels.map((level) => Math.abs((p.get(level) ?? 0) - (q.get(level) ?? 0)));
    const total = differences.reduce((sum, x) => sum + x, 0) / 2;
    return [NaN, NaN, Math.abs(unknown(a, weightsA) - unknown(b, weightsB)), total];
  };
}

/** The share of each class, and of unknown values under NaN. */
function shares(values: Float64Array, weights?: Uint16Array): Map<number, number> {
  const out = new Map<number, number>();
  values.forEach((value, i) => out.set(value, (out.get(value) ?? 0) + (weights?.[i] ?? 1) / values.length));
  return out;
}

function unknown(values: Float64Array, weights?: Uint16Array): number {
  return values.reduce((sum, x, i) => sum + (Number.isNaN(x) ? weights?.[i] ?? 1 : 0), 0) / values.length;
}

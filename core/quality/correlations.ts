import type { Comparison } from "./resampling.ts";
import { requireAlike, type Table, type TableColumn } from "./table.ts";

/** How two columns of a table go together. */
export const ASSOCIATIONS = ["pearson", "spearman", "cramer", "ratio"] as const satisfies readonly Association[];

/** Of numbers the correlation and that of ranks, of classes Cramér's V, of a class and a number the correlation ratio. */
export type Association = "pearson" | "spearman" | "cramer" | "ratio";

/** A pair of columns, by their places, and what is measured of it. */
export interface ColumnPair {
  readonly kind: Association;
  readonly columns: readonly [number, number];
}

/**
 * The pairs of a table's columns: of two columns of numbers their correlation (K. Pearson) and that of their ranks
 * (C. Spearman), of two of classes V (H. Cramér, from χ² of their table), of a class and a number the correlation ratio η,
 * the root of the share of the number's variance that lies between the classes.
 */
export function pairsOf({ columns }: Table): ColumnPair[] {
  const pairs: ColumnPair[] = [];
  for (let i = 0; i < columns.length; i++) {
    for (let j = i + 1; j < columns.length; j++) {
      const kinds = [columns[i].kind, columns[j].kind];
      if (kinds.every((kind) => kind === "number")) {
        for (const kind of ["pearson", "spearman"] as const) pairs.push({ kind, columns: [i, j] });
      } else if (kinds.every((kind) => kind === "class")) pairs.push({ kind: "cramer", columns: [i, j] });
      else pairs.push({ kind: "ratio", columns: kinds[0] === "class" ? [i, j] : [j, i] });
    }
  }
  return pairs;
}

/**
 * How far the association of each pair of columns differs between two tables: |ρ₁ − ρ₂|, one number a pair of
 * {@linkcode pairsOf}. Rows in which one of the two is unknown are left out; one of a column that does not vary is 0.
 *
 * @throws {RangeError} Unless both have the same columns.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { correlationDifferences } from "./correlations.ts";
 * import { tableOf } from "./table.ts";
 *
 * const [a, b] = [[1, 1, 2, 2, 3, 3], [1, 3, 2, 2, 3, 1]].map((rows) => tableOf(Float64Array.from(rows), ["x", "y"]));
 * deepEqual([...correlationDifferences(a, b)()].map(Math.round), [2, 2]);
 * ```
 */
export function correlationDifferences(first: Table, second: Table): Comparison {
  requireAlike(first, second);
  const pairs = pairsOf(first), [one, other] = [first, second].map((table) => associations(table, pairs));
  return (weightsA, weightsB) => {
    const [a, b] = [one(weightsA), other(weightsB)];
    return a.map((value, k) => Math.abs(value - b[k]));
  };
}

function associations({ columns }: Table, pairs: readonly ColumnPair[]): (weights?: Uint16Array) => Float64Array {
  const ranks = columns.map(({ kind, values }) => kind === "number" ? ranksOf(values) : values);
  return (weights) =>
    Float64Array.from(pairs, ({ kind, columns: [i, j] }) => {
      if (kind === "pearson") return correlation(columns[i].values, columns[j].values, weights);
      if (kind === "spearman") return correlation(ranks[i], ranks[j], weights);
      return kind === "cramer"
        ? cramersV(columns[i], columns[j], weights)
        : correlationRatio(columns[i], columns[j], weights);
    });
}

/** Ranks from 0 on, equal values with their mean one; NaN stays. */
export function ranksOf(values: Float64Array): Float64Array {
  const rows = Uint32Array.from(values.keys()).filter((i) => !Number.isNaN(values[i])).sort((a, b) =>
    values[a] - values[b]
  );
  const out = new Float64Array(values.length).fill(NaN);
  for (let begin = 0; begin < rows.length;) {
    let end = begin + 1;
    while (end < rows.length && values[rows[end]] === values[rows[begin]]) end++;
    for (let k = begin; k < end; k++) out[rows[k]] = (begin + end - 1) / 2;
    begin = end;
  }
  return out;
}

function correlation(x: Float64Array, y: Float64Array, weights?: Uint16Array): number {
  let n = 0, meanX = 0, meanY = 0, xx = 0, yy = 0, xy = 0;
  for (let i = 0; i < x.length; i++) {
    const weight = weights ? weights[i] : 1;
    if (weight === 0 || Number.isNaN(x[i]) || Number.isNaN(y[i])) continue;
    n += weight;
    const dx = x[i] - meanX, dy = y[i] - meanY;
    meanX += weight * dx / n;
    meanY += weight * dy / n;
    xx += weight * dx * (x[i] - meanX);
    yy += weight * dy * (y[i] - meanY);
    xy += weight * dx * (y[i] - meanY);
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : 0;
}

/** √(χ² / (n · (min(rows, columns) − 1))) of the table of two columns of classes. */
function cramersV(x: TableColumn, y: TableColumn, weights?: Uint16Array): number {
  const cells = new Map<number, Map<number, number>>(),
    ofX = new Map<number, number>(),
    ofY = new Map<number, number>();
  let n = 0;
  for (let i = 0; i < x.values.length; i++) {
    const [a, b] = [x.values[i], y.values[i]], weight = weights ? weights[i] : 1;
    if (weight === 0 || Number.isNaN(a) || Number.isNaN(b)) continue;
    n += weight;
    ofX.set(a, (ofX.get(a) ?? 0) + weight);
    ofY.set(b, (ofY.get(b) ?? 0) + weight);
    if (!cells.has(a)) cells.set(a, new Map());
    cells.get(a)!.set(b, (cells.get(a)!.get(b) ?? 0) + weight);
  }
  const least = Math.min(ofX.size, ofY.size);
  if (least < 2) return 0;
  let chi = 0;
  for (const [a, countA] of ofX) {
    for (const [b, countB] of ofY) {
      const expected = countA * countB / n;
      chi += ((cells.get(a)!.get(b) ?? 0) - expected) ** 2 / expected;
    }
  }
  return Math.sqrt(chi / (n * (least - 1)));
}

/** √(1 − the share of a number's variance that is left within classes). */
function correlationRatio(classes: TableColumn, numbers: TableColumn, weights?: Uint16Array): number {
  const groups = new Map<number, { n: number; mean: number }>(), all = { n: 0, mean: 0 };
  let within = 0, total = 0;
  for (let i = 0; i < classes.values.length; i++) {
    const [level, x] = [classes.values[i], numbers.values[i]], weight = weights ? weights[i] : 1;
    if (weight === 0 || Number.isNaN(level) || Number.isNaN(x)) continue;
    const group = groups.get(level) ?? { n: 0, mean: 0 };
    groups.set(level, group);
    const add = (to: { n: number; mean: number }) => {
      to.n += weight;
      const before = x - to.mean;
      to.mean += weight * before / to.n;
      return weight * before * (x - to.mean);
    };
    within += add(group);
    total += add(all);
  }
  return total > 0 ? Math.sqrt(Math.max(0, 1 - within / total)) : 0;
}

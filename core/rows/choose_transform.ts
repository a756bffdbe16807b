import { normalQuantile } from "../random/normal_quantile.ts";
import { type NumberColumn, TableError } from "./column_types.ts";
import { mapOf, type NumberTransform } from "./transform.ts";

/** Values that a transform is chosen by at most, evenly many of the sorted ones. */
const MOST_VALUES = 20_000;

/** Skewness and kurtosis of a column's values that a mixture of Gaussians takes as it is. */
const SKEWED = 1.5, PEAKED = 6;

/** Nats a value by which a transform has to be likelier than the one before, and those that each point of it takes. */
const LEAST_GAIN = 0.1;

/** Points of normal scores, and values that each of them needs. */
const MOST_POINTS = 24, VALUES_A_POINT = 20;

/**
 * The transform of a column of numbers: what is asked for, otherwise none where its values are not heavy tailed, and where they
 * are the one after which a Gaussian finds them the most likely.
 *
 * @param values The known ones, in any order, at least one.
 * @throws {TableError} Where what is asked for is not defined for the values.
 */
export function chooseTransform(
  column: Pick<NumberColumn, "name" | "transform" | "bounds" | "step"> & Partial<Pick<NumberColumn, "min" | "max">>,
  values: Float64Array,
): NumberTransform {
  const { transform = "auto", bounds, name } = column, sorted = values.slice().sort();
  // What is asked for has to hold in all rows, and not in these alone.
  const min = Math.min(sorted[0], column.min ?? Infinity),
    max = Math.max(sorted[sorted.length - 1], column.max ?? -Infinity);
  const half = (column.step ?? 0) / 2;
  if (transform === "log") {
    if (min - half > 0) return { kind: "log" };
    throw new TableError(
      `The transform log is asked for column ${name}, which has ${min}, expected numbers above 0. Take asinh.`,
    );
  }
  if (transform === "logit" || transform === "auto" && bounds) {
    const [low, high] = bounds ?? [0, 1];
    if (min >= low && max <= high && (half > 0 || min > low && max < high)) {
      return { kind: "logit", low: low - half, high: high + half };
    }
    throw new TableError(
      `Column ${name} has values from ${min} to ${max}, expected them between its bounds ${low} and ${high}. Give wider ` +
        "bounds, or another transform.",
    );
  }
  if (transform === "none") return { kind: "none" };
  const some = evenly(sorted), asinh = asinhOf(some), normal = normalOf(some);
  if (transform === "asinh") return asinh;
  if (transform === "normal") return normal ?? { kind: "none" };
  const { skewness, kurtosis } = shapeOf(some);
  if (!(Math.abs(skewness) > SKEWED || kurtosis > PEAKED)) return { kind: "none" };
  let best: NumberTransform = { kind: "none" }, least = nllAfter(best, some);
  for (const tried of [asinh, ...normal ? [normal] : []]) {
    const points = tried.kind === "normal" ? tried.values.length : 2;
    const nll = nllAfter(tried, some);
    if (nll < least - LEAST_GAIN - points / some.length) [best, least] = [tried, nll];
  }
  return best;
}

function evenly(sorted: Float64Array): Float64Array {
  const n = sorted.length;
  if (n <= MOST_VALUES) return sorted;
  return Float64Array.from({ length: MOST_VALUES }, (_, i) => sorted[Math.floor((i + 0.5) * n / MOST_VALUES)]);
}

function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1), low = Math.floor(at), high = Math.min(sorted.length - 1, low + 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

/** Around 0 for values of one sign, else around the median; as wide as the values near it are. */
function asinhOf(sorted: Float64Array): NumberTransform {
  const isPositive = sorted[0] >= 0, centre = isPositive ? 0 : quantile(sorted, 0.5);
  const distances = sorted.map((v) => Math.abs(v - centre)).filter((distance) => distance > 0).sort();
  return { kind: "asinh", centre, width: distances.length > 0 ? quantile(distances, isPositive ? 0.1 : 0.5) : 1 };
}

function normalOf(sorted: Float64Array): NumberTransform | undefined {
  const n = sorted.length, points = Math.min(MOST_POINTS, Math.floor(n / VALUES_A_POINT));
  const values: number[] = [], scores: number[] = [];
  for (let i = 0; i < points; i++) {
    const share = (i + 0.5) / points, value = quantile(sorted, share);
    // Of equal quantiles one is enough: the scores of the others are between its neighbours'.
    if (values.length > 0 && !(value > values[values.length - 1])) continue;
    values.push(value);
    scores.push(normalQuantile(share));
  }
  return values.length > 3 ? { kind: "normal", values, scores } : undefined;
}

function shapeOf(values: Float64Array): { readonly skewness: number; readonly kurtosis: number } {
  const n = values.length, mean = values.reduce((sum, v) => sum + v / n, 0);
  const moment = (power: number) => values.reduce((sum, v) => sum + (v - mean) ** power / n, 0);
  const variance = moment(2);
  return { skewness: moment(3) / variance ** 1.5, kurtosis: moment(4) / variance ** 2 };
}

/** The mean −log density of values, in nats, under the Gaussian of what they are mapped to. */
function nllAfter(transform: NumberTransform, values: Float64Array): number {
  const map = mapOf(transform), n = values.length, mapped = values.map(map.forward);
  const mean = mapped.reduce((sum, y) => sum + y / n, 0),
    variance = mapped.reduce((sum, y) => sum + (y - mean) ** 2 / n, 0);
  return 0.5 * Math.log(variance) - values.reduce((sum, v) => sum + map.logSlope(v) / n, 0);
}

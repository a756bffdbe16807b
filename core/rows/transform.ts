/**
 * How numbers are mapped before they are standardised, so that heavy tails and bounds are as a Gaussian's. All are increasing
 * and smooth, and defined for every number but where they say so.
 */
export type NumberTransform =
  | { readonly kind: "none" }
  /** log v, of numbers above 0. */
  | { readonly kind: "log" }
  /** log (v − low)/(high − v), of numbers between the two. */
  | { readonly kind: "logit"; readonly low: number; readonly high: number }
  /** asinh((v − centre)/width): linear near the centre, a logarithm on both sides. */
  | { readonly kind: "asinh"; readonly centre: number; readonly width: number }
  /**
   * Normal scores: a monotone cubic through quantiles of the data and those of N(0, 1) (F. N. Fritsch and R. E. Carlson, 1980),
   * a line beyond the outermost.
   */
  | { readonly kind: "normal"; readonly values: readonly number[]; readonly scores: readonly number[] };

/** A transform made ready. */
export interface NumberMap {
  /** @returns Not a number for what the transform is not defined for. */
  forward(v: number): number;
  inverse(y: number): number;
  /** log of the derivative of {@linkcode forward}. */
  logSlope(v: number): number;
}

/**
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { mapOf } from "./transform.ts";
 *
 * const map = mapOf({ kind: "asinh", centre: 0, width: 10 });
 * ok(Math.abs(map.inverse(map.forward(12345)) - 12345) < 1e-8);
 * ```
 */
export function mapOf(transform: NumberTransform): NumberMap {
  switch (transform.kind) {
    case "none":
      return { forward: (v) => v, inverse: (y) => y, logSlope: () => 0 };
    case "log":
      return { forward: Math.log, inverse: Math.exp, logSlope: (v) => -Math.log(v) };
    case "logit": {
      const { low, high } = transform;
      return {
        forward: (v) => Math.log((v - low) / (high - v)),
        inverse: (y) => low + (high - low) / (1 + Math.exp(-y)),
        logSlope: (v) => Math.log((high - low) / ((v - low) * (high - v))),
      };
    }
    case "asinh": {
      const { centre, width } = transform;
      return {
        forward: (v) => Math.asinh((v - centre) / width),
        inverse: (y) => centre + width * Math.sinh(y),
        logSlope: (v) => -0.5 * Math.log(width ** 2 + (v - centre) ** 2),
      };
    }
    case "normal":
      return monotoneCubic(transform.values, transform.scores);
  }
}

function monotoneCubic(x: readonly number[], y: readonly number[]): NumberMap {
  const n = x.length, secant = Float64Array.from({ length: n - 1 }, (_, i) => (y[i + 1] - y[i]) / (x[i + 1] - x[i]));
  // Harmonic means of neighbouring secants keep the cubic monotone.
  const slope = Float64Array.from({ length: n }, (_, i) => {
    if (i === 0) return secant[0];
    if (i === n - 1) return secant[n - 2];
    const [left, right] = [x[i] - x[i - 1], x[i + 1] - x[i]], [w1, w2] = [2 * right + left, right + 2 * left];
    return (w1 + w2) / (w1 / secant[i - 1] + w2 / secant[i]);
  });
  const pieceOf = (at: number, of: readonly number[]) => {
    let low = 0, high = n - 2;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (of[middle] <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const piece = (v: number, i: number) => {
    const h = x[i + 1] - x[i], t = (v - x[i]) / h, s = 1 - t;
    const value = y[i] * (1 + 2 * t) * s * s + y[i + 1] * t * t * (3 - 2 * t) +
      h * (slope[i] * t * s * s - slope[i + 1] * t * t * s);
    const derivative = 6 * t * s * secant[i] + slope[i] * s * (1 - 3 * t) + slope[i + 1] * t * (3 * t - 2);
    return { value, derivative };
  };
  const forward = (v: number) => {
    if (v <= x[0]) return y[0] + slope[0] * (v - x[0]);
    if (v >= x[n - 1]) return y[n - 1] + slope[n - 1] * (v - x[n - 1]);
    return piece(v, pieceOf(v, x)).value;
  };
  return {
    forward,
    inverse(score) {
      if (score <= y[0]) return x[0] + (score - y[0]) / slope[0];
      if (score >= y[n - 1]) return x[n - 1] + (score - y[n - 1]) / slope[n - 1];
      const i = pieceOf(score, y);
      let [low, high] = [x[i], x[i + 1]];
      for (let step = 0; step < 60 && high > low; step++) {
        const middle = (low + high) / 2;
        if (piece(middle, i).value < score) low = middle;
        else high = middle;
      }
      return (low + high) / 2;
    },
    logSlope(v) {
      if (v <= x[0]) return Math.log(slope[0]);
      if (v >= x[n - 1]) return Math.log(slope[n - 1]);
      return Math.log(piece(v, pieceOf(v, x)).derivative);
    },
  };
}

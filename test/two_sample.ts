/**
 * How often a classifier tells points of the plane in two sets of equal size from each other: it learns on one half of each
 * and is asked about the other. If both are drawn from one density, the share of right answers is 0.5 within the chance of
 * a coin, whatever the classifier.
 */
export interface Classifier {
  /** What it is called in a message. */
  readonly name: string;
  /** Learns from points `[n, 2]` of both sets, and gives a score that is above 0 for what looks like the second's. */
  learn(first: Float32Array, second: Float32Array): (x: number, y: number) => number;
}

/** A share of right answers, and its standard error where both sets are of one density. */
export interface Separation {
  readonly rate: number;
  readonly stderr: number;
}

/** The share of right answers about the second halves of both sets. */
export function separation(first: Float32Array, second: Float32Array, { learn }: Classifier): Separation {
  const half = 2 * (Math.min(first.length, second.length) >> 2);
  const score = learn(first.subarray(0, half), second.subarray(0, half));
  let right = 0;
  for (let i = half; i < 2 * half; i += 2) {
    if (score(first[i], first[i + 1]) <= 0) right++;
    if (score(second[i], second[i + 1]) > 0) right++;
  }
  return { rate: right / half, stderr: 0.5 / Math.sqrt(half) };
}

/** A logistic regression on polynomials of a point, by Newton's method. */
export const logistic: Classifier = {
  name: "a logistic regression",
  learn(first, second) {
    const d = polynomials(0, 0).length, weights = new Float64Array(d);
    const scoreOf = (f: readonly number[]) => f.reduce((sum, value, k) => sum + value * weights[k], 0);
    for (let step = 0; step < 8; step++) {
      const system = Array.from({ length: d }, (_, k) => {
        const row = new Float64Array(d + 1);
        row[k] = 1e-3;
        return row;
      });
      for (const [set, points] of [first, second].entries()) {
        for (let i = 0; i < points.length; i += 2) {
          const f = polynomials(points[i], points[i + 1]), p = 1 / (1 + Math.exp(-scoreOf(f)));
          f.forEach((value, k) => {
            system[k][d] += (p - set) * value;
            f.forEach((other, l) => system[k][l] += p * (1 - p) * value * other);
          });
        }
      }
      solve(system).forEach((value, k) => weights[k] -= value);
    }
    return (x, y) => scoreOf(polynomials(x, y));
  },
};

/** The majority among the nearest neighbours. @param k Odd, so that there is one. */
export function nearest(k: number): Classifier {
  return {
    name: `${k} nearest neighbours`,
    learn(first, second) {
      const near = new Float64Array(k), sign = new Int8Array(k);
      return (x, y) => {
        near.fill(Infinity);
        for (const [set, points] of [first, second].entries()) {
          for (let i = 0; i < points.length; i += 2) {
            const distance = (points[i] - x) ** 2 + (points[i + 1] - y) ** 2;
            if (distance >= near[k - 1]) continue;
            let at = k - 1;
            for (; at > 0 && near[at - 1] > distance; at--) {
              near[at] = near[at - 1];
              sign[at] = sign[at - 1];
            }
            near[at] = distance;
            sign[at] = 2 * set - 1;
          }
        }
        return sign.reduce((sum, one) => sum + one, 0);
      };
    },
  };
}

function polynomials(x: number, y: number): number[] {
  return [1, x, y, x * x, y * y, x * y, x ** 3, y ** 3];
}

/** The solution of linear equations, whose right side is the last column; the array is used up. */
function solve(system: readonly Float64Array[]): number[] {
  const d = system.length;
  for (let k = 0; k < d; k++) {
    for (let row = 0; row < d; row++) {
      if (row === k) continue;
      const factor = system[row][k] / system[k][k];
      for (let l = k; l <= d; l++) system[row][l] -= factor * system[k][l];
    }
  }
  return system.map((row, k) => row[d] / row[k]);
}

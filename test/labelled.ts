import { type Condition, encodeCondition, givenEach } from "../core/data/condition.ts";
import { floatSamples, type Samples } from "../core/data/samples.ts";
import type { Denoiser } from "../core/plugins/contracts.ts";
import type { Random } from "../core/random/random.ts";
import { NEVER } from "../core/reference/conditioning.ts";
import { type GaussianMixture, gaussianMixture } from "../core/reference/mixture.ts";
import { mixturePrediction } from "../core/reference/mixture_prediction.ts";

/** Three classes of points in the plane, each of two round spots: densities that are known given the class and without it. */

export const PRIOR = [0.5, 0.3, 0.2], DEVIATION = 0.5;
const SPOTS = [[[-2, 0], [0, 2]], [[2, 0], [0, -2]], [[0, 0], [1.5, 1.5]]];

export const CONDITION: Condition = [
  { name: "label", kind: "class", levels: [0, 1, 2], counts: PRIOR.map((p) => 10_000 * p) },
];

/** The mixture of (x, c). */
export const LABELLED: GaussianMixture = {
  ...gaussianMixture({
    weights: PRIOR.flatMap((p) => [p / 2, p / 2]),
    means: SPOTS.flat(2),
    covariances: SPOTS.flat().flatMap(() => [DEVIATION ** 2, 0, 0, DEVIATION ** 2]),
  }),
  given: {
    logits: Float64Array.from({ length: 24 }, (_, at) => {
      const component = Math.floor(at / 4), place = at % 4;
      return place === 0 || place - 1 === component >> 1 ? 0 : NEVER;
    }),
    ...{ numbers: new Uint32Array(), means: new Float64Array(), cross: new Float64Array() },
    covariances: new Float64Array(),
  },
};

/** The ideal denoiser of that density, given what is known or nothing. */
export const LABELLED_DENOISER: Denoiser = {
  init: () => ({}),
  predict: (_, z, logsnr, condition) => mixturePrediction(LABELLED)(z, logsnr, condition),
};

/** Rows `[x, y, label]`, of one class where it is said. */
export function labelledRows(random: Random, n: number, only?: number): number[][] {
  return Array.from({ length: n }, () => {
    let u = random.uniform(), label = 0;
    while (label < 2 && (u -= PRIOR[label]) > 0) label++;
    const own = only ?? label, [x, y] = SPOTS[own][random.integer(2)];
    return [x + DEVIATION * random.normal(), y + DEVIATION * random.normal(), own];
  });
}

/** The same as samples with what is known of them. */
export function labelledSamples(rows: readonly number[][]): Samples {
  const points = Float32Array.from(rows.flatMap(([x, y]) => [x, y]));
  return givenEach(floatSamples(points, 2), encodeCondition(CONDITION, rows.map(([, , label]) => label)));
}

/** log p(x | c) of each class, and log p(x). */
export function exactDensities([x, y]: readonly number[]): { readonly given: number[]; readonly plain: number } {
  const normaliser = Math.log(2 * Math.PI * DEVIATION ** 2);
  const given = SPOTS.map((spots) =>
    Math.log(
      spots.reduce((sum, [a, b]) => sum + 0.5 * Math.exp(-((x - a) ** 2 + (y - b) ** 2) / 2 / DEVIATION ** 2), 0),
    ) -
    normaliser
  );
  return { given, plain: Math.log(given.reduce((sum, log, c) => sum + PRIOR[c] * Math.exp(log), 0)) };
}

/** I(X; C) in nats, by a sum over a grid on which the densities are smooth and beyond which they are nothing. */
export function labelledInformation(): number {
  const step = 0.05, edge = 6, side = Array.from({ length: 2 * edge / step + 1 }, (_, k) => k * step - edge);
  const at = (point: readonly number[]) => {
    const { given, plain } = exactDensities(point);
    return given.reduce((sum, log, c) => sum + PRIOR[c] * Math.exp(log) * (log - plain), 0);
  };
  return side.reduce((sum, x) => sum + side.reduce((sum, y) => sum + at([x, y]), 0), 0) * step ** 2;
}

/** log p(c | x) of each class. */
export function exactClasses(point: readonly number[]): number[] {
  const { given, plain } = exactDensities(point);
  return given.map((log, c) => Math.log(PRIOR[c]) + log - plain);
}

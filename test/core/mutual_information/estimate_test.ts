import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { standardisationOf } from "../../../core/data/standardisation.ts";
import { gaussianOf } from "../../../core/reference/gaussian.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { renderSvg } from "../../../core/figures/render.ts";
import { unconditional } from "../../../core/plugins/conditional_denoiser.ts";
import {
  combinedInformation,
  type DenoiserPair,
  type Information,
  type InformationSettings,
  measureInformation,
  splitPairs,
} from "../../../core/mutual_information/estimate.ts";
import { informationFigure } from "../../../core/mutual_information/figure.ts";
import type { Pairs } from "../../../core/mutual_information/linear_part.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import * as mlp from "../../../denoisers/mlp.ts";

const NETWORK = { hiddenSize: 48, hiddenLayers: 3, embedding: false, embeddingSize: 16, skip: true };

const DENOISERS: DenoiserPair = {
  marginal: (data) => unconditional(mlp.create(data, NETWORK)),
  conditional: (data, condition) => mlp.createConditional(data, condition, NETWORK),
};

const SETTINGS: InformationSettings = {
  epochs: 8,
  batchSize: 64,
  learningRate: 3e-3,
  validationLevels: 4,
  levels: 16,
  curvePoints: 0,
  curveRows: 200,
};

function standardised(values: Float32Array, d: number) {
  const { mean, scale } = standardisationOf(floatSamples(values, d));
  return floatSamples(values.map((value, i) => (value - mean[i % d]) / scale[i % d]), d);
}

/** Pairs of y ~ N(0, I) and x = f(y) + noise, value by value. */
function pairsOf(n: number, d: number, f: (y: number) => number, noise: number): Pairs {
  const random = Random.fromSeed(12);
  const y = random.fillNormal(new Float32Array(n * d)), e = random.fillNormal(new Float32Array(n * d));
  return { x: standardised(y.map((value, i) => f(value) + noise * e[i]), d), y: standardised(y, d) };
}

async function measure(
  pairs: Pairs,
  settings: Partial<InformationSettings> = {},
  signal?: AbortSignal,
): Promise<Information> {
  const engine = await createEngine("onnx-cpu", 1);
  const random = Random.fromSeed(0);
  const split = splitPairs(pairs, 0.25, random.split("split"));
  try {
    const hooks = signal ? { signal } : {};
    return await measureInformation(engine, split, DENOISERS, { ...SETTINGS, ...settings }, random, hooks);
  } finally {
    engine.dispose();
  }
}

/** The information of x = f(y) + noise by quadrature, h(x) − h(noise). */
function informationOf(f: (y: number) => number, noise: number): number {
  const [means, weights]: number[][] = [[], []];
  for (let y = -6; y <= 6; y += 0.01) {
    means.push(f(y));
    weights.push(0.01 * Math.exp(-y * y / 2) / Math.sqrt(2 * Math.PI));
  }
  const [low, high] = [Math.min(...means) - 7 * noise, Math.max(...means) + 7 * noise];
  let entropy = 0;
  for (let x = low; x < high; x += 0.02) {
    const density = means.reduce((sum, mean, i) => sum + weights[i] * Math.exp(-0.5 * ((x - mean) / noise) ** 2), 0) /
      (noise * Math.sqrt(2 * Math.PI));
    if (density > 1e-200) entropy -= 0.02 * density * Math.log(density);
  }
  return entropy - 0.5 * Math.log(2 * Math.PI * Math.E * noise * noise);
}

Deno.test("correlated Gaussians have the information that they have", async () => {
  for (const [rho, d] of [[0, 1], [0.5, 1], [0.9, 3], [0.99, 1]]) {
    const information = await measure(pairsOf(4000, d, (y) => rho * y, Math.sqrt(1 - rho ** 2)), { epochs: 3 });
    const { mean, stderr } = combinedInformation([information]);
    const truth = -0.5 * d * Math.log(1 - rho ** 2);
    ok(Math.abs(mean - truth) < 3 * stderr + 0.003 && stderr < 0.04, `ρ ${rho}: ${mean} ± ${stderr}, not ${truth}`);
  }
});

Deno.test("what is not linear is found by the network, of which the Gaussian part knows nothing", async () => {
  const square = (y: number) => y * y;
  const truth = informationOf(square, 0.5);
  ok(Math.abs(truth - 0.8027) < 1e-3, `${truth}`);
  const information = await measure(pairsOf(4000, 1, square, 0.5), { epochs: 25 });
  const { mean, stderr } = combinedInformation([information]);
  ok(information.linear.information < 0.01);
  ok(mean > 0.8 * truth && mean < truth + 3 * stderr, `${mean} ± ${stderr}, not ${truth}`);
  const { marginal, conditional } = information.nll;
  ok(Math.abs(marginal.mean - conditional.mean - mean) < 0.1);
  ok(information.bestEpochs.every((epoch) => epoch > 0));
});

Deno.test("half of the area between the curves is the information, and the figure shows them", async () => {
  const information = await measure(pairsOf(3000, 1, (y) => 0.8 * y, 0.6), { epochs: 1, curvePoints: 81 });
  const { logsnr, difference } = information.curves!;
  let area = 0;
  for (let k = 1; k < logsnr.length; k++) {
    area += 0.25 * (logsnr[k] - logsnr[k - 1]) * (difference[k].mean + difference[k - 1].mean);
  }
  // The curves end where the proposal does; beyond there is a little left.
  ok(Math.abs(area - -0.5 * Math.log(1 - 0.64)) < 0.06, `${area}`);
  const svg = await renderSvg(informationFigure("pairs", "y", information.curves!));
  ok(svg.startsWith("<svg") && svg.includes("| y)") && !svg.includes("NaN"));
});

Deno.test("the same seed gives the same numbers; a signal ends it with its reason", async () => {
  const pairs = pairsOf(1000, 2, Math.sin, 0.5);
  const [a, b] = [await measure(pairs, { epochs: 2 }), await measure(pairs, { epochs: 2 })];
  deepEqual(a.perRow, b.perRow);
  deepEqual(a.bestEpochs, b.bestEpochs);
  const reason = new Error("enough");
  await rejects(() => measure(pairs, {}, AbortSignal.abort(reason)), reason);
});

Deno.test("the estimate uses what the Gaussian part says of all rows", () => {
  const random = Random.fromSeed(2);
  const test = random.fillNormal(new Float64Array(100)), fitted = random.fillNormal(new Float64Array(900));
  const of = (perRow: Float64Array) =>
    ({ perRow, linearPerRow: { test, fitted }, coefficients: 0 }) as unknown as Information;
  const all = [...test, ...fitted].reduce((sum, value) => sum + value / 1000, 0);
  // Where nothing is not Gaussian, the error is that of all rows.
  const { mean, stderr } = combinedInformation([of(test)]);
  ok(Math.abs(mean - all) < 1e-12 && Math.abs(stderr - 1 / Math.sqrt(1000)) < 0.005, `${mean} ± ${stderr}`);
  // Where the Gaussian part says nothing, it is left out.
  const other = random.fillNormal(new Float64Array(100));
  const independent = combinedInformation([of(other)]);
  const plain = other.reduce((sum, value) => sum + value / 100, 0);
  ok(Math.abs(independent.mean - plain) < 0.05 && Math.abs(independent.stderr - 0.1) < 0.02);
  const half = combinedInformation([of(test), of(test.map((value) => value + 1))]);
  ok(Math.abs(half.mean - (all + 0.5)) < 1e-12);
});

Deno.test("the conditional network starts from the Gaussian, and then depends on what it is told", () => {
  const data = { shape: [2], gaussian: gaussianOf([0, 0], [1, 0.5, 0.5, 1]) };
  for (const embedding of [false, true]) {
    const network = mlp.createConditional(data, 3, { ...NETWORK, embedding });
    const params = network.init(Random.fromSeed(1));
    deepEqual(params["layers.0.weight"].shape, [48, embedding ? 6 * 16 : 6]);
    const predict = (given: number) =>
      tf.tidy(() => {
        const tensors = Object.fromEntries(
          Object.entries(params).map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])]),
        );
        const denoiser = network.given(tf.fill([1, 3], given));
        return denoiser.predict(tensors, tf.tensor2d([1, -1], [1, 2]), tf.tensor1d([0.5])).dataSync().slice();
      });
    deepEqual(predict(0), predict(1));
    params["layers.4.weight"].data.fill(0.1);
    ok(predict(0)[0] !== predict(1)[0]);
  }
  equal(mlp.create(data, NETWORK).init(Random.fromSeed(1))["layers.0.weight"].shape.join(), "48,3");
});

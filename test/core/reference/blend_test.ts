import { deepEqual, equal, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { createEngine } from "../../../core/engine/mod.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { predict } from "../../../core/plugins/predict.ts";
import { Random } from "../../../core/random/random.ts";
import {
  BLEND,
  BLEND_NODES,
  blendAt,
  blendedDenoiser,
  blendedError,
  type BlendErrors,
  blendNodes,
  fitBlend,
} from "../../../core/reference/blend.ts";
import { mixtureDenoiser } from "../../../denoisers/mixture/mod.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";

const RANGE = [-6, 9] as const;

const NODES = blendNodes(RANGE);

/** Of every log SNR, as an even proposal has it. */
const EVEN = () => 1;

/** λ between its nodes by its definition: what lies at each counts by its closeness. */
function interpolated(logsnr: number, weights: ArrayLike<number>): number {
  const spacing = NODES[1] - NODES[0], alpha = Math.min(RANGE[1], Math.max(RANGE[0], logsnr));
  return NODES.reduce((sum, node, k) => sum + weights[k] * Math.max(0, 1 - Math.abs(alpha - node) / spacing), 0);
}

Deno.test("λ is linear between evenly spaced nodes and constant beyond them", () => {
  equal(NODES.length, BLEND_NODES);
  deepEqual([NODES[0], NODES.at(-1)], [...RANGE]);
  const random = Random.fromSeed(1), weights = random.fillUniform(new Float32Array(BLEND_NODES));
  NODES.forEach((node, k) => ok(Math.abs(blendAt(node, weights, RANGE) - weights[k]) < 1e-9));
  for (let i = 0; i < 200; i++) {
    const alpha = -8 + 20 * random.uniform();
    ok(Math.abs(blendAt(alpha, weights, RANGE) - interpolated(alpha, weights)) < 1e-9, `${alpha}`);
  }
  deepEqual([-1e6, 1e6].map((alpha) => blendAt(alpha, weights, RANGE)), [weights[0], weights[BLEND_NODES - 1]]);
});

Deno.test("the blend's error is that of the blended estimates", () => {
  const random = Random.fromSeed(2);
  const square = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
  for (const lambda of [0, 1, 0.3, 0.9, -0.5, 1.7]) {
    const [eps, own, other] = [0, 0, 0].map(() => random.fillNormal(new Float64Array(5)));
    const blended = own.map((value, i) => other[i] + lambda * (value - other[i]));
    const got = blendedError(lambda, square(eps, own), square(eps, other), square(own, other));
    ok(Math.abs(got - square(eps, blended)) < 1e-9, `${lambda}`);
  }
});

/**
 * Errors of a denoiser whose step away from a reference, of a length that varies, goes the given part of the way to the
 * truth on average, with noise of its own of this size across it.
 */
function measured(part: (logsnr: number) => number, noise: number, rows: number, seed = 3): BlendErrors[] {
  const random = Random.fromSeed(seed), d = 4;
  return [0, 1, 2].map(() => {
    const logsnr = Float32Array.from({ length: rows }, () => RANGE[0] + (RANGE[1] - RANGE[0]) * random.uniform());
    const [mse, mseReference, distance] = [0, 0, 0].map(() => new Float64Array(rows));
    logsnr.forEach((alpha, i) => {
      for (let j = 0; j < d; j++) {
        // ε − ε̂_r is λ*·v and what no denoiser knows.
        const v = (1 + i % 3) * random.normal(), rest = part(alpha) * v + noise * random.normal();
        mseReference[i] += rest ** 2;
        mse[i] += (rest - v) ** 2;
        distance[i] += v ** 2;
      }
    });
    return { logsnr, mse, mseReference, distance };
  });
}

/** The mean error of the blend with λ at the nodes. */
function meanError(blocks: readonly BlendErrors[], weights: ArrayLike<number>, weight: (logsnr: number) => number) {
  let sum = 0, total = 0;
  for (const { logsnr, mse, mseReference, distance } of blocks) {
    for (let i = 0; i < logsnr.length; i++) {
      const w = weight(logsnr[i]);
      sum += w * blendedError(interpolated(logsnr[i], weights), mse[i], mseReference[i], distance[i]);
      total += w;
    }
  }
  return sum / total;
}

Deno.test("the fitted λ is the share of the way that the network goes, where it is linear between the nodes", () => {
  const truth = Random.fromSeed(4).fillUniform(new Float64Array(BLEND_NODES)).map((u) => 0.2 + 0.7 * u);
  const share = (alpha: number) => interpolated(alpha, truth);
  const exact = fitBlend(measured(share, 0, 2000), RANGE, EVEN);
  exact.forEach((value, k) => ok(Math.abs(value - truth[k]) < 0.03, `${value} for ${truth[k]} at ${k}`));
  const noisy = fitBlend(measured(share, 2, 20_000), RANGE, EVEN);
  noisy.forEach((value, k) => ok(Math.abs(value - truth[k]) < 0.08, `${value} for ${truth[k]} at ${k}`));
});

Deno.test("the fitted λ has the least weighted error of all", () => {
  // Steps between the nodes, which no λ follows: what counts more decides there.
  const share = (alpha: number) => 0.5 + 0.3 * Math.sign(Math.sin(7 * alpha));
  const blocks = measured(share, 1, 6000);
  const random = Random.fromSeed(5);
  for (const weight of [EVEN, (alpha: number) => Math.exp(alpha / 3)]) {
    const fitted = fitBlend(blocks, RANGE, weight), least = meanError(blocks, fitted, weight);
    const others = Array.from({ length: 20 }, () => fitted.map((value) => value + 0.05 * random.normal()));
    for (const other of [...others, fitted.map(() => 0), fitted.map(() => 1)]) {
      ok(meanError(blocks, other, weight) > least);
    }
    // There the error is flat in every node, but for the little that gains are taken to be less.
    fitted.forEach((value, k) => {
      const step = 0.05;
      const [below, above] = [-step, step].map((by) => meanError(blocks, fitted.with(k, value + by), weight) - least);
      const slope = (above - below) / (2 * step), curvature = (above + below) / step ** 2;
      ok(Math.abs(slope / curvature) < 0.01, `${slope} and ${curvature} at ${k}`);
    });
  }
  const [even, high] = [EVEN, (alpha: number) => Math.exp(5 * alpha)].map((weight) => fitBlend(blocks, RANGE, weight));
  ok(even.some((value, k) => Math.abs(value - high[k]) > 0.05), "the weight decides");
});

Deno.test("λ is off where the network is noise, on where it is right, and never below 0 or above 1", () => {
  const rows = 4000;
  const noise = fitBlend(measured(() => 0, 1, rows), RANGE, EVEN);
  ok(noise.every((value) => value >= 0 && value < 0.05), `${noise}`);
  // Chance gives half of the nodes a gain, most of which are within their noise.
  ok(noise.filter((value) => value === 0).length > BLEND_NODES / 2, `${noise}`);
  deepEqual(fitBlend(measured(() => -0.3, 1, rows), RANGE, EVEN), new Float32Array(BLEND_NODES));
  deepEqual(fitBlend(measured(() => 1.8, 0, rows), RANGE, EVEN), new Float32Array(BLEND_NODES).fill(1));
  const right = fitBlend(measured(() => 1, 1, rows), RANGE, EVEN);
  ok(right.every((value) => value > 0.95 && value <= 1), `${right}`);
  // One side is noise, the other is right.
  const half = fitBlend(measured((alpha) => alpha < 1.5 ? 0 : 1, 1, rows), RANGE, EVEN);
  half.forEach((value, k) => ok(Math.abs(NODES[k] - 1.5) < 1 || Math.abs(value - Number(NODES[k] > 1.5)) < 0.1));
});

Deno.test("of few samples λ is smaller, since its gain may be chance, and of none, or of the reference itself, it is 0", () => {
  const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value / values.length, 0);
  const blends = (rows: number) =>
    Array.from({ length: 10 }, (_, seed) => fitBlend(measured(() => 0.5, 8, rows, seed), RANGE, EVEN));
  // A share of a half, which 20 rows cannot tell from their noise.
  const [many, few] = [3000, 20].map((rows) => mean(Float32Array.from(blends(rows), mean)));
  ok(many > 0.45 && few < 0.75 * many, `${many} and ${few}`);
  deepEqual(fitBlend([], RANGE, EVEN), new Float32Array(BLEND_NODES));
  const same = { logsnr: [0, 1, 2], mse: [3, 2, 1], mseReference: [3, 2, 1], distance: [0, 0, 0] };
  deepEqual(fitBlend([same], RANGE, EVEN), new Float32Array(BLEND_NODES));
});

Deno.test("a blended denoiser predicts by the formula at every log SNR, on every backend", async () => {
  const random = Random.fromSeed(6), mixture = randomMixture(random.split("mixture"), 3, 4);
  const slope = { shape: [], data: Float32Array.of(0.5) };
  const own: Denoiser = {
    init: () => ({ slope }),
    predict: (params, z) => tf.sin(tf.mul(z, params.slope)),
  };
  const blended = blendedDenoiser(own, mixture, RANGE), initial = blended.init(Random.fromSeed(0));
  deepEqual(Object.keys(initial).sort(), [BLEND, "slope"].sort());
  deepEqual(initial[BLEND], { shape: [BLEND_NODES], data: new Float32Array(BLEND_NODES).fill(1) });

  const logsnr = Float32Array.of(...NODES, -40, 40, ...Array.from({ length: 30 }, () => -8 + 20 * random.uniform()));
  const n = logsnr.length, weights = random.fillUniform(new Float32Array(BLEND_NODES));
  const z = random.fillNormal(new Float32Array(4 * n));
  const params = { slope, [BLEND]: { shape: [BLEND_NODES], data: weights } };
  for (const backend of LOCAL_BACKENDS) {
    const engine = await createEngine(backend, 1), state = engine.createState(params);
    // Points, and images of the same values.
    for (const shape of [[4], [1, 2, 2]]) {
      const program = await engine.compile(
        (parameters, inputs) => {
          const flat = tf.reshape(inputs.z, [n, 4]), alpha = inputs.logsnr as tf.Tensor1D;
          return {
            outputs: {
              got: predict(blended, parameters, inputs.z, alpha),
              own: own.predict(parameters, flat, alpha),
              other: predict(mixtureDenoiser(mixture), {}, flat, alpha),
            },
          };
        },
        state,
        { z: [n, ...shape], logsnr: [n] },
      );
      const { got, own: net, other } = await program.run({ z, logsnr });
      got.forEach((value, i) => {
        const expected = other[i] + interpolated(logsnr[Math.floor(i / 4)], weights) * (net[i] - other[i]);
        ok(Math.abs(value - expected) < 1e-5 * (1 + Math.abs(other[i])), `${value} for ${expected} on ${backend}`);
      });
      await program.dispose();
    }
    state.dispose();
    engine.dispose();
  }
});

import { deepEqual, equal, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { floatSamples, type Samples, toFloat32 } from "../../../core/data/samples.ts";
import { sigmoid } from "../../../core/diffusion/logsnr.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { nearestLevel, placesOfAtoms, simplex } from "../../../core/reference/atoms.ts";
import { rangeOf } from "../../../core/reference/choose_reference.ts";
import { mixtureNll, sampleMixture } from "../../../core/reference/mixture.ts";
import { mixturePrediction } from "../../../core/reference/mixture_prediction.ts";
import { TableConditionals } from "../../../core/reference/table_conditionals.ts";
import { logSumExp, marginals } from "../../../core/reference/table_mixture.ts";
import { collapsed, gaussianOfTable } from "../../../core/reference/table_moments.ts";
import { mixedTable } from "./mixed_table.ts";

const N = 4, D = 7;

/** What is known of six rows: all, some numbers, no class, no number, no level, nothing but one number. */
const GAPS = Float32Array.of(
  ...[0, 0, 0, 0, 0, 0, 0],
  ...[1, 0, 0, 1, 0, 0, 0],
  ...[0, 0, 0, 0, 1, 1, 0],
  ...[1, 1, 1, 1, 0, 0, 0],
  ...[0, 1, 0, 0, 0, 0, 1],
  ...[1, 1, 1, 0, 1, 1, 1],
);
const ROWS = GAPS.length / D;

function known(x: Float32Array): Float32Array {
  return x.map((value, i) => GAPS[i] === 1 ? 0 : value);
}

/** log p of a noisy row, from the components' covariances themselves. */
function logNoisy(mixture: ReturnType<typeof mixedTable>, z: ArrayLike<number>, gaps: Float32Array, alpha: number) {
  const [signal, noise] = [sigmoid(alpha), sigmoid(-alpha)], places = [0, 1, 2, 3].filter((j) => gaps[j] === 0);
  const blocks = placesOfAtoms(mixture.atoms!.blocks, N), levels = mixture.atoms!.logits.length / 3;
  return logSumExp(mixture.components.map(({ mean }, i) => {
    const covariance = mixture.covariances[i].map((c, at) => signal * c + (at % (N + 1) === 0 ? noise : 0));
    const [{ whitener, logNormaliser }] = marginals([covariance], N, places), r = places.length;
    let log = Math.log(mixture.weights[i]) + logNormaliser;
    for (let b = 0; b < r; b++) {
      let white = 0;
      for (let a = 0; a <= b; a++) white += whitener[a * r + b] * (z[places[a]] - Math.sqrt(signal) * mean[places[a]]);
      log -= white ** 2 / 2;
    }
    for (const block of blocks) {
      if (gaps[block.begin] === 1) continue;
      log += logSumExp(Array.from({ length: block.levels }, (_, c) => {
        let square = 0;
        for (let j = 0; j < block.size; j++) {
          square += (z[block.begin + j] - Math.sqrt(signal) * block.points[c * block.size + j]) ** 2;
        }
        return mixture.atoms!.logits[i * levels + block.level + c] - square / 2 / noise;
      }));
    }
    return log;
  }));
}

Deno.test("the denoiser of a table is the gradient of its noisy marginal density, on both kinds of engines", async () => {
  const mixture = mixedTable(), predict = mixturePrediction(mixture);
  const z = known(Random.fromSeed(2).fillNormal(new Float32Array(ROWS * D))),
    alpha = Float32Array.of(-2, 0, 1, 2, 3, 5);
  const engine = await createEngine("onnx-cpu", 1), state = engine.createState({});
  const program = await engine.compile(
    (_, { z, logsnr, condition }) => ({ outputs: { out: predict(z, logsnr, condition) } }),
    state,
    { z: [ROWS, D], logsnr: [ROWS], condition: [ROWS, D] },
  );
  const { out } = await program.run({ z, logsnr: alpha, condition: GAPS });
  const eager = tf.tidy(() =>
    predict(tf.tensor2d(z, [ROWS, D]), tf.tensor1d(alpha), tf.tensor2d(GAPS, [ROWS, D])).dataSync()
  );
  for (let row = 0; row < ROWS; row++) {
    const gaps = GAPS.subarray(row * D, (row + 1) * D), own = Float64Array.from(z.subarray(row * D, (row + 1) * D));
    for (let j = 0; j < D; j++) {
      const step = 1e-5, up = own.slice(), down = own.slice();
      up[j] += step;
      down[j] -= step;
      const slope = logNoisy(mixture, up, gaps, alpha[row]) - logNoisy(mixture, down, gaps, alpha[row]);
      const expected = gaps[j] === 1 ? 0 : -Math.sqrt(sigmoid(-alpha[row])) * slope / (2 * step);
      for (const got of [out[row * D + j], eager[row * D + j]]) {
        ok(Math.abs(got - expected) < 1e-5, `row ${row}, value ${j}: ${got}, expected ${expected}`);
      }
    }
  }
  await program.dispose();
  state.dispose();
  engine.dispose();
});

Deno.test("a value's surprise is what the row is less likely with it than without it", () => {
  const mixture = mixedTable(), conditionals = new TableConditionals(mixture);
  const x = known(sampleMixture(mixture, Random.fromSeed(3), ROWS));
  const nllOf = (gaps: Float32Array) => {
    const samples: Samples = {
      ...floatSamples(x.map((value, i) => gaps[i] === 1 ? 0 : value), D),
      gaps: floatSamples(gaps, D),
    };
    return mixtureNll(samples, mixture);
  };
  const whole = nllOf(GAPS), out = new Float64Array(N + 2);
  const begins = [0, 1, 2, 3, 4, 6], sizes = [1, 1, 1, 1, 2, 1];
  for (let row = 0; row < ROWS; row++) {
    const total = conditionals.surprises(x, GAPS, row * D, out);
    ok(Math.abs(total - whole[row]) < 1e-9);
    begins.forEach((begin, value) => {
      if (GAPS[row * D + begin] === 1) return ok(Number.isNaN(out[value]));
      const less = GAPS.slice();
      less.fill(1, row * D + begin, row * D + begin + sizes[value]);
      const without = nllOf(less)[row];
      ok(Math.abs(whole[row] - without - out[value]) < 1e-6, `row ${row}, value ${value}`);
    });
  }
});

Deno.test("what is filled in is distributed as the mixture's rows with the same known values", () => {
  const mixture = mixedTable(), conditionals = new TableConditionals(mixture), random = Random.fromSeed(4);
  // Rows near a known value of the last number, whose others are what is asked for.
  const many = sampleMixture(mixture, random.split("rows"), 150_000), at = 0.3, near: number[] = [];
  for (let row = 0; row < many.length / D; row++) if (Math.abs(many[row * D + 3] - at) < 0.04) near.push(row);
  const x = new Float32Array(D), gaps = Float32Array.of(1, 1, 1, 0, 1, 1, 1);
  x[3] = at;
  const given = conditionals.given(x, gaps, 0), draws = 4000, drawn = new Float32Array(draws * D);
  for (let i = 0; i < draws; i++) given.draw(random, drawn, i * D);
  const meanOf = (rows: Float32Array, own: readonly number[], j: number) => {
    const mean = own.reduce((sum, row) => sum + rows[row * D + j] / own.length, 0);
    return { mean, sd: Math.sqrt(own.reduce((sum, row) => sum + (rows[row * D + j] - mean) ** 2 / own.length, 0)) };
  };
  const all = Array.from({ length: draws }, (_, i) => i);
  given.numbers.forEach((place, b) => {
    const exact = [...given.posterior].reduce((sum, share, i) => sum + share * given.means[i * 3 + b], 0);
    for (const { mean, sd } of [meanOf(many, near, place), meanOf(drawn, all, place)]) {
      ok(Math.abs(mean - exact) < 4 * sd / Math.sqrt(Math.min(near.length, draws)), `${place}: ${mean}, ${exact}`);
    }
  });
  const [block] = placesOfAtoms(mixture.atoms!.blocks, N);
  for (let c = 0; c < 3; c++) {
    const share = all.filter((i) => nearestLevel(block, drawn, i * D + block.begin) === c).length / draws;
    ok(Math.abs(share - given.levels[0][c]) < 0.03, `${share}, ${given.levels[0][c]}`);
  }
  equal(given.levels.length, 2);
});

Deno.test("a table's moments are those of its rows; collapsed it keeps them", () => {
  const mixture = mixedTable(), n = 100_000, rows = sampleMixture(mixture, Random.fromSeed(5), n);
  const { mean, eigenvalues, eigenvectors } = gaussianOfTable(mixture), one = collapsed(mixture);
  const again = gaussianOfTable(one);
  const covariance = (i: number, j: number) =>
    eigenvalues.reduce((sum, l, e) => sum + l * eigenvectors![i * D + e] * eigenvectors![j * D + e], 0);
  for (let i = 0; i < D; i++) {
    let sum = 0, product = 0;
    for (let row = 0; row < n; row++) {
      sum += rows[row * D + i] / n;
      product += (rows[row * D + i] - mean[i]) * (rows[row * D] - mean[0]) / n;
    }
    ok(Math.abs(sum - mean[i]) < 0.03 && Math.abs(product - covariance(i, 0)) < 0.08, `${i}: ${sum} ${mean[i]}`);
    ok(Math.abs(again.mean[i] - mean[i]) < 1e-9);
  }
  equal(one.components.length, 1);
});

Deno.test("levels are told apart within the range of log SNRs, and points of classes are as far from each other", () => {
  const [low, high] = rangeOf(mixedTable());
  ok(low < -4 && high > Math.log(81 / 0.25) - 1e-9, `${low}, ${high}`);
  const points = simplex(5);
  for (let a = 0; a < 5; a++) {
    for (let b = 0; b < a; b++) {
      let square = 0;
      for (let j = 0; j < 4; j++) square += (points[a * 4 + j] - points[b * 4 + j]) ** 2;
      ok(Math.abs(square - 2.5) < 1e-12);
    }
  }
  deepEqual([...simplex(2)], [1, -1]);
});

Deno.test("−log p of a row without gaps is that of its numbers and levels together", () => {
  const mixture = mixedTable(), x = sampleMixture(mixture, Random.fromSeed(6), 50), samples = floatSamples(x, D);
  // At a high log SNR the noisy density of a row is that of its numbers, and of its levels the noise's own at their points.
  const nll = mixtureNll(samples, mixture), alpha = 14, noise = sigmoid(-alpha), signal = Math.sqrt(sigmoid(alpha));
  const none = new Float32Array(D), rows = toFloat32(samples);
  for (let row = 0; row < 50; row++) {
    const z = Array.from(rows.subarray(row * D, (row + 1) * D), (value) => signal * value);
    const noisy = logNoisy(mixture, z, none, alpha);
    ok(Math.abs(noisy + nll[row]) < 0.02 * (1 + Math.abs(nll[row])), `${noisy}, ${-nll[row]}; noise ${noise}`);
  }
});

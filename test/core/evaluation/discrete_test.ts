import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { noiseScale, perSample, signalScale } from "../../../core/diffusion/channel.ts";
import {
  dequantise,
  discreteLimitBits,
  type Grid,
  gridOf,
  leftTail,
  proposalOfGrid,
  publishedRightTail,
} from "../../../core/diffusion/discrete.ts";
import { entropy, fitGaussian, type Gaussian, gaussianMmse, gaussianNll } from "../../../core/reference/gaussian.ts";
import { bitsPerDimension, meanAndStderr, nllAgainstReference } from "../../../core/diffusion/likelihood.ts";
import { logsnrAtQuantile, logsnrRange, logsnrWeight, type Proposal } from "../../../core/diffusion/logsnr.ts";
import { reweightedProposal } from "../../../core/diffusion/reweighted_proposal.ts";
import { type Backend, createEngine } from "../../../core/engine/mod.ts";
import {
  dequantisedGaussian,
  dequantisedNll,
  discreteNll,
  type DiscreteNllOptions,
  estimateDiscreteNll,
  pilot,
  tailsOf,
} from "../../../core/evaluation/discrete.ts";
import { createDiscreteMeter, type Rounding } from "../../../core/evaluation/discrete_errors.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import { publishedDiscreteBound, publishedNll } from "../../../core/evaluation/published_nll.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { create as gaussianDenoiser } from "../../../denoisers/gaussian.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";
import { assertWithin, readCase, readTensors } from "../../reference.ts";

/** The reference's data, noise and Gaussian, whose best denoiser it measures. */
async function reference() {
  const { scalars, tolerances } = await readCase("discrete");
  const { mu, log_eigs, U } = await readTensors("discrete/spectrum.safetensors");
  const d = mu.data.length;
  const gaussian: Gaussian = {
    mean: Float64Array.from(mu.data),
    eigenvalues: Float64Array.from(log_eigs.data, Math.exp),
    // The reference has eigenvectors in rows.
    eigenvectors: Float64Array.from({ length: d * d }, (_, i) => U.data[(i % d) * d + Math.floor(i / d)]),
  };
  const value = (name: string) => (scalars[name] as { value: number }).value;
  const proposal: Proposal = { loc: value("loc_logsnr"), scale: value("scale_logsnr"), clip: scalars.clip as number };
  return { scalars, tolerances, gaussian, proposal, d, tensors: await readTensors("discrete/test_nll.safetensors") };
}

/** The errors of all samples at all log SNRs, `[m, levels]`, and the reference's results of them. */
async function referenceErrors(backend: Backend) {
  const { tensors, gaussian, d, ...rest } = await reference();
  const { logsnr, test, eps, dequantize_u } = tensors;
  const [levels, m] = [logsnr.shape[0], test.shape[0]];
  const grid = gridOf({ range: [-1, 1], delta: 2 / 255 });
  const shape = test.shape.slice(1);
  const engine = await createEngine(backend, 1), state = engine.createState({});
  const denoiser = gaussianDenoiser({ shape, gaussian });
  const dequantised = test.data.map((x, i) => x + grid.delta * (dequantize_u.data[i] - 0.5));
  // Row [i, k]: sample i at level k, with the noise of one of three kinds.
  const noise = (kind: number) =>
    Float32Array.from({ length: m * levels * d }, (_, at) => {
      const [i, k, j] = [Math.floor(at / d / levels), Math.floor(at / d) % levels, at % d];
      return eps.data[((k * 3 + kind) * m + i) * d + j];
    });
  const rows = (x: Float32Array) =>
    Float32Array.from({ length: m * levels * d }, (_, at) => x[Math.floor(at / d / levels) * d + at % d]);
  const alphas = Float32Array.from({ length: m * levels }, (_, row) => logsnr.data[row % levels]);
  const discrete = async (rounding: Rounding, kind: number) => {
    const meter = await createDiscreteMeter(engine, state, () => ({}), denoiser, { shape, grid, rounding }, 100);
    const errors = await meter.measure(rows(test.data), noise(kind), alphas);
    meter.dispose();
    return errors;
  };
  const meter = await createErrorMeter(engine, state, () => ({}), denoiser, { shape, gaussian }, 100);
  return {
    ...rest,
    tensors,
    gaussian,
    d,
    grid,
    levels,
    plain: (await discrete("none", 0)).plain,
    soft: (await discrete("soft", 1)).rounded,
    hard: (await discrete("hard", 1)).rounded,
    dequantised: (await meter.measure(rows(dequantised), noise(2), alphas)).mse,
    validation: (await meter.measure(
      test.data,
      tensors.eps_val.data,
      Float32Array.from(tensors.u_val.data, (u) => logsnrAtQuantile(u, rest.proposal)),
    )).mse,
  };
}

for (const backend of LOCAL_BACKENDS) {
  Deno.test(`all errors and results of the published test likelihood equal the reference on ${backend}`, async () => {
    const { scalars, tolerances, tensors, gaussian, proposal, d, grid, levels, ...got } = await referenceErrors(
      backend,
    );
    const logsnr = Float64Array.from(tensors.u.data, (u) => logsnrAtQuantile(u, proposal)).sort();
    const weight = logsnr.map((alpha) => logsnrWeight(alpha, proposal));
    const mmse = logsnr.map((alpha) => gaussianMmse(alpha, gaussian.eigenvalues));
    assertWithin(logsnr, tensors.logsnr.data, tolerances.logsnr, "logsnr");
    assertWithin(weight, tensors.w.data, tolerances.w, "w");
    assertWithin(mmse, tensors.mmse_g.data, tolerances.mmse_g, "mmse_g");

    const means = (mse: ArrayLike<number>) =>
      Float64Array.from({ length: levels }, (_, k) => {
        return Array.from(mse).reduce((sum, e, i) => i % levels === k ? sum + e / (mse.length / levels) : sum, 0);
      });
    for (
      const [name, mse, suffix] of [
        ["mses", got.plain, ""],
        ["mses_round_xhat", got.soft, ".soft"],
        ["mses_dequantize", got.dequantised, ""],
        ["mses_round_xhat", got.hard, ".hard"],
      ] as const
    ) {
      const all = `${name}-all${suffix}`, expected = tensors[all].data;
      // Hard rounding jumps half way between two values.
      const counts = (i: number) => suffix !== ".hard" || tensors.rounding_margin.data[i] > 0.01;
      const compared = Float64Array.from(mse, (e, i) => counts(i) ? e : expected[i]);
      assertWithin(compared, expected, tolerances[all], all);
      assertWithin(means(compared), tensors[name + suffix].data, tolerances[name + suffix], name + suffix);
    }

    const [low, high] = logsnrRange(proposal);
    const tails = { left: leftTail(low, gaussian.eigenvalues), right: publishedRightTail(high, d, grid) };
    const h = entropy(gaussian);
    const plain = { weight, mse: got.plain };
    const nll = publishedNll(plain, mmse, h);
    const dequantised = publishedNll({ weight, mse: got.dequantised }, mmse, h, plain);
    const { data: u } = tensors.u_val;
    const validation = meanAndStderr(Float64Array.from(got.validation, (mse, i) => {
      const alpha = logsnrAtQuantile(u[i], proposal);
      const sample = { logsnr: alpha, weight: logsnrWeight(alpha, proposal), mse };
      // Against the expected error of the data's Gaussian.
      return nllAgainstReference(sample, gaussianMmse(alpha, gaussian.eigenvalues), h);
    }));
    for (const rounding of ["soft", "hard"] as const) {
      const expected = scalars[`results_${rounding}`] as Record<string, number>;
      const bound = publishedDiscreteBound(plain, { weight, mse: got[rounding] }, tails.left + tails.right);
      const bpd = (nats: number) => bitsPerDimension(nats, d);
      const results: Record<string, number> = {
        "nll (nats)": nll.mean,
        "nll (nats) - dequantize": dequantised.mean,
        "nll (bpd)": bpd(nll.mean),
        "nll (bpd) - dequantize": bpd(dequantised.mean),
        "nll-discrete-limit (bpd)": discreteLimitBits(bpd(nll.mean), grid.delta),
        "nll-discrete-limit (bpd) - dequantize": discreteLimitBits(bpd(dequantised.mean), grid.delta),
        "nll-discrete": bound.mean,
        "nll-discrete (bpd)": bpd(bound.mean),
        "nll (nats) - var": nll.stderr ** 2,
        "nll-discrete (nats) - var": bound.stderr ** 2,
        "nll (nats) - dequantize - var": dequantised.stderr ** 2,
        "nll (bpd) - std": bpd(nll.stderr),
        "nll (bpd) - dequantize - std": bpd(dequantised.stderr),
        "nll-discrete (bpd) - std": bpd(bound.stderr),
        "val_loss": validation.mean,
        "left_tail": tails.left,
        "right_tail": tails.right,
      };
      deepEqual(Object.keys(results).sort(), Object.keys(expected).sort());
      for (const [name, value] of Object.entries(results)) {
        assertWithin([value], [expected[name]], tolerances.results, `${name}, ${rounding}`);
      }
      ok(bound.mean < dequantised.mean - d * Math.log(grid.delta));
    }
  });
}

/** A distribution over the values of a grid, in one dimension. */
interface Levels {
  readonly grid: Grid;
  readonly probabilities: readonly number[];
}

const COIN: Levels = { grid: gridOf({ range: [-1, 1], delta: 2 }), probabilities: [0.5, 0.5] };
const FOUR: Levels = { grid: gridOf({ range: [-1, 1], delta: 2 / 3 }), probabilities: [0.1, 0.2, 0.3, 0.4] };

/** The true entropy in nats. */
function entropyOf({ probabilities }: Levels): number {
  return -probabilities.reduce((sum, p) => sum + p * Math.log(p), 0);
}

function draw({ grid, probabilities }: Levels, n: number, random: Random): Samples {
  return floatSamples(
    Float32Array.from({ length: n }, () => {
      let k = 0;
      for (let u = random.uniform() - probabilities[0]; u > 0 && k < probabilities.length - 1;) u -= probabilities[++k];
      return grid.low + k * grid.delta;
    }),
    1,
  );
}

/** The ideal denoiser: the posterior mean over the values. */
function idealDenoiser({ grid, probabilities }: Levels): Denoiser {
  const values = probabilities.map((_, k) => grid.low + k * grid.delta);
  return {
    init: () => ({}),
    predict(_, z, logsnr) {
      const alpha = perSample(logsnr, 2);
      const [signal, noise] = [signalScale(alpha), noiseScale(alpha)];
      const means = tf.mul(signal, tf.tensor2d([values]));
      const logits = tf.sub(
        tf.tensor2d([probabilities.map(Math.log)]),
        tf.mul(tf.square(tf.div(tf.sub(z, means), noise)), 0.5),
      );
      const mean = tf.sum(tf.mul(tf.softmax(logits), means), 1, true);
      return tf.div(tf.sub(z, mean), noise);
    },
  };
}

async function meterOf(denoiser: Denoiser, grid: Grid, rounding: Rounding, chunk = 2048) {
  const engine = await createEngine("onnx-cpu", 1);
  return createDiscreteMeter(
    engine,
    engine.createState({}),
    () => ({}),
    denoiser,
    { shape: [1], grid, rounding },
    chunk,
  );
}

/** A Gaussian with the mean and variance of the distribution. */
function gaussianOfLevels(levels: Levels): Gaussian {
  return fitGaussian(draw(levels, 100_000, Random.fromSeed(99)));
}

for (const [name, levels] of [["two equal values", COIN], ["four values of different probability", FOUR]] as const) {
  Deno.test(`the bound of the ideal denoiser is the true entropy of ${name}`, async () => {
    const { eigenvalues } = gaussianOfLevels(levels);
    const proposal = proposalOfGrid(eigenvalues, levels.grid), truth = entropyOf(levels);
    for (const rounding of ["soft", "hard", "none"] as const) {
      const meter = await meterOf(idealDenoiser(levels), levels.grid, rounding);
      let within = 0, notBelow = 0, excess = 0;
      for (let seed = 0; seed < 20; seed++) {
        const random = Random.fromSeed(seed);
        const heldOut = draw(levels, 500, random.split("held out"));
        const found = await pilot(meter, heldOut, { proposal, random: random.split("pilot"), levels: 8 });
        const x = draw(levels, 2000, random.split("x"));
        const options = { ...found, eigenvalues, random: random.split("noise"), levels: 4 };
        const { nats } = await estimateDiscreteNll(meter, x, options);
        if (Math.abs(nats.mean - truth) <= 2 * nats.stderr) within++;
        if (nats.mean >= truth - 2 * nats.stderr) notBelow++;
        excess += (nats.mean - truth) / 20;
        ok(nats.stderr < 0.05, `${nats.mean} ± ${nats.stderr}, truth ${truth}`);
      }
      // Rounding can only harm what is ideal, so that the bound is then a little above the truth.
      if (rounding === "none") ok(within >= 19, `${within} of 20 seeds are within two standard errors`);
      ok(notBelow >= 19, `${rounding}: ${notBelow} of 20 seeds are not two standard errors below the truth`);
      ok(Math.abs(excess) < 0.02, `${rounding}: ${excess} nats above the truth`);
      meter.dispose();
    }
  });
}

Deno.test("each value's estimate is its own −log P, and bits are nats over log 2", async () => {
  const { eigenvalues } = gaussianOfLevels(FOUR);
  const meter = await meterOf(idealDenoiser(FOUR), FOUR.grid, "none");
  const x = draw(FOUR, 20_000, Random.fromSeed(5)), values = new Float32Array(x.count);
  x.copy(0, x.count, values);
  const { nats, bitsPerDimension: bits, perSample } = await estimateDiscreteNll(meter, x, {
    distribution: reweightedProposal(proposalOfGrid(eigenvalues, FOUR.grid)),
    eigenvalues,
    random: Random.fromSeed(6),
    levels: 4,
    roundFrom: Infinity,
  });
  FOUR.probabilities.forEach((p, k) => {
    const of = perSample.filter((_, i) => Math.round((values[i] + 1) * 1.5) === k);
    const { mean, stderr } = meanAndStderr(of);
    ok(Math.abs(mean + Math.log(p)) < 4 * stderr, `value ${k}: ${mean} ± ${stderr}, truth ${-Math.log(p)}`);
  });
  deepEqual([bits.mean, bits.stderr], [nats.mean / Math.LN2, nats.stderr / Math.LN2]);
  meter.dispose();
});

Deno.test("a denoiser that is not ideal has a larger bound: rounding lowers it, dequantising does not", async () => {
  const gaussian = gaussianOfLevels(FOUR), truth = entropyOf(FOUR), random = Random.fromSeed(8);
  const denoiser = gaussianDenoiser({ shape: [1], gaussian });
  const x = draw(FOUR, 8000, random.split("x")), heldOut = draw(FOUR, 500, random.split("held out"));
  const { eigenvalues } = gaussian, proposal = proposalOfGrid(eigenvalues, FOUR.grid);
  const bounds: Record<string, { mean: number; stderr: number }> = {};
  for (const rounding of ["soft", "hard", "none"] as const) {
    const meter = await meterOf(denoiser, FOUR.grid, rounding);
    const found = await pilot(meter, heldOut, { proposal, random: random.split("pilot"), levels: 8 });
    equal(found.roundFrom === Infinity, rounding === "none");
    const options = { ...found, eigenvalues, random: random.split("noise"), levels: 8 };
    bounds[rounding] = (await estimateDiscreteNll(meter, x, options)).nats;
    ok(bounds[rounding].mean > truth - 2 * bounds[rounding].stderr);
    meter.dispose();
  }
  const { soft, hard, none } = bounds;
  const text = JSON.stringify({ bounds, truth });
  ok(none.mean > hard.mean + 5 * hard.stderr && none.mean > soft.mean + 5 * soft.stderr, text);

  const noisy = dequantisedGaussian(gaussian, FOUR.grid);
  const engine = await createEngine("onnx-cpu", 1);
  const meter = await createErrorMeter(
    engine,
    engine.createState({}),
    () => ({}),
    gaussianDenoiser({ shape: [1], gaussian: noisy }),
    { shape: [1], gaussian: noisy },
    2048,
  );
  const got = await dequantisedNll(meter, x, FOUR.grid, { proposal: { loc: 2, scale: 2 }, random, levels: 1 });
  // The denoiser is that Gaussian's ideal one, so the likelihood is exact for each sample.
  const exact = gaussianNll(dequantise(x, FOUR.grid, random), noisy);
  assertWithin(got.perSample, exact.map((nll) => nll - Math.log(FOUR.grid.delta)), { rtol: 0, atol: 1e-3 }, "density");
  ok(Math.abs(got.density.mean - got.nats.mean - Math.log(FOUR.grid.delta)) < 1e-9);
  ok(got.nats.mean > truth + 5 * got.nats.stderr && got.nats.mean > soft.mean, `${text} ${got.nats.mean}`);
  await meter.dispose();
});

Deno.test("a switch chosen on other samples does not move the mean below the truth, however few they are", async () => {
  const { eigenvalues } = gaussianOfLevels(COIN);
  const meter = await meterOf(idealDenoiser(COIN), COIN.grid, "hard", 256);
  const proposal = proposalOfGrid(eigenvalues, COIN.grid), truth = entropyOf(COIN);
  const means: number[] = [];
  for (let seed = 0; seed < 200; seed++) {
    const random = Random.fromSeed(seed), heldOut = draw(COIN, 8, random.split("held out"));
    const found = await pilot(meter, heldOut, { proposal, random: random.split("pilot"), levels: 2 });
    const x = draw(COIN, 32, random.split("x"));
    const options = { ...found, eigenvalues, random: random.split("noise"), levels: 2 };
    means.push((await estimateDiscreteNll(meter, x, options)).nats.mean);
  }
  const { mean, stderr } = meanAndStderr(means);
  ok(mean > truth - 2 * stderr, `${mean} ± ${stderr}, truth ${truth}`);
  meter.dispose();
});

Deno.test("a pilot lowers the standard error", async () => {
  const { eigenvalues } = gaussianOfLevels(FOUR), proposal = proposalOfGrid(eigenvalues, FOUR.grid);
  const meter = await meterOf(idealDenoiser(FOUR), FOUR.grid, "none");
  let [plain, adapted] = [0, 0];
  for (let seed = 0; seed < 8; seed++) {
    const random = Random.fromSeed(seed), x = draw(FOUR, 1000, random.split("x"));
    const options = { eigenvalues, random: random.split("noise"), levels: 4, roundFrom: Infinity };
    const distribution = reweightedProposal(proposal);
    plain += (await estimateDiscreteNll(meter, x, { ...options, distribution })).nats.stderr;
    const found = await pilot(meter, draw(FOUR, 500, random), { proposal, random: random.split("pilot"), levels: 8 });
    adapted += (await estimateDiscreteNll(meter, x, { ...options, ...found })).nats.stderr;
  }
  ok(adapted < 0.85 * plain, `${adapted / 8} and ${plain / 8}`);
  meter.dispose();
});

Deno.test("an estimate that goes on from a block gives the same values", async () => {
  const meter = await meterOf(idealDenoiser(COIN), COIN.grid, "none", 4096);
  const x = draw(COIN, 16384 + 50, Random.fromSeed(1));
  const options: DiscreteNllOptions = {
    distribution: reweightedProposal({ loc: 0, scale: 1 }),
    eigenvalues: [1],
    random: Random.fromSeed(2),
    levels: 2,
    roundFrom: Infinity,
  };
  const blocks = await Array.fromAsync(discreteNll(meter, x, options));
  deepEqual(blocks.map(({ first, nats }) => [first, nats.length]), [[0, 16384], [16384, 50]]);
  deepEqual(await Array.fromAsync(discreteNll(meter, x, options, 16384)), blocks.slice(1));
  const { left, right } = tailsOf(meter, options.distribution, [1]);
  ok(left > 0 && left < 0.01 && right > 0 && right < 1e-8, `${left} and ${right}`);
  await rejects(Array.fromAsync(discreteNll(meter, x, options, 50)), /blocks begin at multiples of 16384/);
  await rejects(Array.fromAsync(discreteNll(meter, x, { ...options, levels: 0 })), /0 log SNRs per sample/);
  meter.dispose();
});

Deno.test("data off the grid, and a denoiser that gives no numbers, are errors", async () => {
  const distribution = reweightedProposal({ loc: 0, scale: 1 });
  const options = { distribution, eigenvalues: [1], random: Random.fromSeed(2), levels: 1, roundFrom: 0 };
  const meter = await meterOf(idealDenoiser(COIN), COIN.grid, "soft");
  await rejects(
    estimateDiscreteNll(meter, floatSamples(Float32Array.of(1, 0.5), 1), options),
    { name: "DiscreteDataError", message: /holds 0\.5, expected one of the 2 values/ },
  );
  meter.dispose();
  const notANumber: Denoiser = { init: () => ({}), predict: (_, z) => tf.log(tf.sub(-1, tf.square(z))) };
  const infinite: Denoiser = { init: () => ({}), predict: (_, z) => tf.log(tf.mul(0, z)) };
  for (const [broken, rounding] of [[notANumber, "soft"], [notANumber, "none"], [infinite, "hard"]] as const) {
    const meter = await meterOf(broken, COIN.grid, rounding);
    const x = floatSamples(Float32Array.of(1, -1), 1);
    await rejects(estimateDiscreteNll(meter, x, options), {
      name: "EstimateError",
      message: /error is NaN at log SNR .* of sample 0/,
    });
    meter.dispose();
  }
});

import { deepEqual, equal, ok, rejects, throws } from "assert";
import type * as tf from "@tensorflow/tfjs";
import { dequantisedGaussian } from "../../../core/evaluation/discrete.ts";
import { outlyingComponents } from "../../../core/evaluation/outlying_components.ts";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { sizeOf } from "../../../core/data/tensors.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import { nllPerSample } from "../../../core/evaluation/nll.ts";
import { sigmoid } from "../../../core/diffusion/logsnr.ts";
import { encodeSafetensors } from "../../../core/io/safetensors.ts";
import { Random } from "../../../core/random/random.ts";
import { isOrthonormal, wholeBasis } from "../../../core/reference/eigenbasis.ts";
import {
  axisVariances,
  blurredGaussian,
  entropy,
  fitGaussian,
  type Gaussian,
  gaussianMmse,
  gaussianNll,
  gaussianOf,
  gaussianStart,
} from "../../../core/reference/gaussian.ts";
import { gaussianTensors } from "../../../core/reference/gaussian_tensors.ts";
import { cosines, evenlySpaced } from "../../../core/reference/image_basis.ts";
import { mixtureNll, sampleMixture } from "../../../core/reference/mixture.ts";
import { mixturePrediction } from "../../../core/reference/mixture_prediction.ts";
import { readDataInfo, writeDataInfo } from "../../../core/run/data_info.ts";
import { RunFolder } from "../../../core/run/folder.ts";
import { create as createGaussian } from "../../../denoisers/gaussian.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";
import { inFolder } from "../../folders.ts";
import { assertWithin } from "../../reference.ts";
import { run } from "../engine/differentiate.ts";

/** No two sizes are the same, so that no two axes can be confused. */
const SHAPE = [3, 4, 5];
const D = sizeOf(SHAPE);

/**
 * Images of smooth, correlated colours: the sum over random waves is stationary, with a correlation over some
 * `distance` pixels, and each pixel has some noise of its own.
 */
function smoothImages(
  count: number,
  [channels, height, width]: readonly number[],
  seed: number,
  distance = 4,
): Samples {
  const random = Random.fromSeed(seed), pixels = height * width, waves = 20;
  const x = new Float32Array(count * channels * pixels), drawn = new Float64Array(waves * (3 + channels));
  for (let row = 0; row < count; row++) {
    random.fillNormal(drawn);
    for (let wave = 0; wave < waves; wave++) {
      const [down, along, phase, ...colour] = drawn.subarray(wave * (3 + channels), (wave + 1) * (3 + channels));
      for (let i = 0; i < pixels; i++) {
        const place = (down * Math.floor(i / width) + along * (i % width)) / distance;
        const value = Math.sin(place + 10 * phase) / Math.sqrt(waves);
        for (let c = 0; c < channels; c++) x[(row * channels + c) * pixels + i] += value * (1 + 0.3 * colour[c]);
      }
    }
  }
  const noise = random.fillNormal(new Float32Array(x.length));
  return floatSamples(x.map((value, i) => value + 0.02 * noise[i] + 0.1), channels * pixels);
}

/** A fit of too few images for a whole covariance. */
const GAUSSIAN = fitGaussian(smoothImages(100, SHAPE, 0), SHAPE);

/** The same distribution by its whole covariance. */
function whole(gaussian: Gaussian): Gaussian {
  const d = gaussian.mean.length, u = wholeBasis(gaussian, d);
  const covariance = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      for (let k = 0; k < d; k++) covariance[i * d + j] += u[i * d + k] * gaussian.eigenvalues[k] * u[j * d + k];
    }
  }
  return gaussianOf(gaussian.mean, covariance);
}

/** The covariance `[d, d]` of rows, and their mean. */
function moments(rows: Float32Array, d: number): { mean: Float64Array; covariance: Float64Array } {
  const n = rows.length / d, mean = new Float64Array(d), covariance = new Float64Array(d * d);
  rows.forEach((value, at) => mean[at % d] += value / n);
  for (let row = 0; row < rows.length; row += d) {
    for (let i = 0; i < d; i++) {
      for (let j = 0; j < d; j++) covariance[i * d + j] += (rows[row + i] - mean[i]) * (rows[row + j] - mean[j]) / n;
    }
  }
  return { mean, covariance };
}

/** Fails where a covariance is further from another than that of so many draws of it may be. */
function assertCovariance(got: Float64Array, truth: Gaussian, count: number): void {
  const d = truth.mean.length, { eigenvalues, eigenvectors: u } = truth;
  const variances = axisVariances(truth);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      let expected = 0;
      for (let k = 0; k < d; k++) expected += u![i * d + k] * eigenvalues[k] * u![j * d + k];
      const stderr = Math.sqrt((variances[i] * variances[j] + expected ** 2) / count);
      ok(Math.abs(got[i * d + j] - expected) < 5.5 * stderr, `${i}, ${j}: ${got[i * d + j]}, expected ${expected}`);
    }
  }
}

async function predictions(backend: typeof LOCAL_BACKENDS[number], gaussian: Gaussian, shape: readonly number[]) {
  const denoiser = createGaussian({ shape, gaussian });
  const logsnr = Float32Array.of(-9, -2, 0, 3, 12), n = logsnr.length;
  const z = Random.fromSeed(5).normalTensor([n, ...shape]);
  const { epsHat } = await run(
    backend,
    (_, inputs) => ({ outputs: { epsHat: denoiser.predict({}, inputs.z, inputs.logsnr as tf.Tensor1D) } }),
    { z, logsnr: { shape: [n], data: logsnr } },
  );
  return epsHat;
}

Deno.test("a Gaussian of images has their variances along cosines and the principal axes of colour", () => {
  const images = smoothImages(100, SHAPE, 0);
  const { mean, eigenvalues, axisBases, eigenvectors } = GAUSSIAN;
  equal(eigenvectors, undefined);
  deepEqual(axisBases!.map(({ length }) => length), [9, 16, 25]);
  deepEqual([axisBases![1], axisBases![2]], [cosines(4), cosines(5)]);
  ok(axisBases!.every(isOrthonormal));
  const u = wholeBasis(GAUSSIAN, D), x = new Float32Array(100 * D);
  images.copy(0, 100, x);
  const { mean: expectedMean, covariance } = moments(x, D);
  assertWithin(mean, expectedMean, { rtol: 1e-12, atol: 1e-12 }, "mean");
  const along = (a: number, b: number) => {
    let sum = 0;
    for (let i = 0; i < D; i++) for (let j = 0; j < D; j++) sum += u[i * D + a] * covariance[i * D + j] * u[j * D + b];
    return sum;
  };
  for (let k = 0; k < D; k++) ok(Math.abs(along(k, k) - eigenvalues[k]) < 1e-9 * eigenvalues[0] + 1e-12, `${k}`);
  // Colours on their axes are uncorrelated, all pixels together.
  for (const [a, b] of [[0, 1], [0, 2], [1, 2]]) {
    let sum = 0;
    for (let k = 0; k < 20; k++) sum += along(a * 20 + k, b * 20 + k);
    ok(Math.abs(sum) < 1e-9, `colours ${a} and ${b}: ${sum}`);
  }
});

Deno.test("a matrix of cosines is the orthonormal DCT-II", () => {
  for (const n of [1, 2, 5, 32]) ok(isOrthonormal(cosines(n)), `${n}`);
  const half = Math.SQRT1_2;
  assertWithin(cosines(2), [half, half, half, -half], { rtol: 0, atol: 1e-15 }, "n = 2");
  ok(!isOrthonormal(Float64Array.of(1, 1e-3, 0, 1)) && !isOrthonormal(Float64Array.of(NaN)));
});

Deno.test("only images of many values or few samples have it, and the shape must fit", () => {
  const images = smoothImages(130, SHAPE, 1);
  ok(fitGaussian(images, SHAPE).eigenvectors, "two samples a dimension have a full covariance");
  const few = smoothImages(100, SHAPE, 1);
  for (const plain of [fitGaussian(few), fitGaussian(few, [D]), fitGaussian(few, [12, 5])]) {
    deepEqual([plain.axisBases, plain.eigenvectors], [undefined, undefined]);
  }
  const large = [3, 32, 32];
  ok(fitGaussian(floatSamples(Random.fromSeed(0).fillNormal(new Float32Array(3 * 3072)), 3072), large).axisBases);
  // A row of sound has an axis whose matrix would not fit in memory.
  equal(fitGaussian(floatSamples(new Float32Array(2 * 5000), 5000), [1, 1, 5000]).axisBases, undefined);
  throws(() => fitGaussian(few, [3, 4, 4]), { name: "RangeError", message: /60 values, .* shape \[3,4,4\]/ });
});

Deno.test("of a large set of images every so many are enough", () => {
  const rows: number[] = [];
  const samples = { dimension: 3072, copy: (begin: number) => rows.push(begin) };
  const few = { ...samples, count: 10_922 };
  equal(evenlySpaced(few), few);
  const some = evenlySpaced({ ...samples, count: 30_000 });
  equal(some.count, 10_922);
  for (const k of [0, 1, 5461, 10_921]) some.copy(k, k + 1, new Float32Array(3072));
  deepEqual(rows, [0, 2, 15_000, 29_997]);
  equal(evenlySpaced({ ...samples, dimension: 1e6, count: 5000 }).count, 1024);
});

Deno.test("constant images have a proper Gaussian", () => {
  for (const value of [0, 0.5]) {
    const gaussian = fitGaussian(floatSamples(new Float32Array(4 * D).fill(value), D), SHAPE);
    ok(gaussian.eigenvalues.every((l) => l > 0 && Number.isFinite(Math.log(l))), `${gaussian.eigenvalues}`);
  }
});

Deno.test("its density, entropy, variances and errors are those of its whole covariance", () => {
  const images = smoothImages(50, SHAPE, 2);
  for (
    const gaussian of [
      GAUSSIAN,
      blurredGaussian(GAUSSIAN, 0.3),
      dequantisedGaussian(GAUSSIAN, { low: -1, delta: 0.1, count: 21 }),
    ]
  ) {
    const same = whole(gaussian);
    assertWithin(gaussianNll(images, gaussian), gaussianNll(images, same), { rtol: 1e-7, atol: 1e-7 }, "NLL");
    assertWithin(axisVariances(gaussian), axisVariances(same), { rtol: 1e-9, atol: 1e-12 }, "variances");
    ok(Math.abs(entropy(gaussian) - entropy(same)) < 1e-7);
    const mmse = (of: Gaussian) => gaussianMmse(1, of.eigenvalues);
    ok(Math.abs(mmse(gaussian) - mmse(same)) < 1e-9);
  }
  const mixture = { weights: Float64Array.of(0.3, 0.7), components: [GAUSSIAN, blurredGaussian(GAUSSIAN, 1)] };
  const same = { ...mixture, components: mixture.components.map(whole) };
  assertWithin(mixtureNll(images, mixture), mixtureNll(images, same), { rtol: 1e-7, atol: 1e-7 }, "mixture");
  const far = floatSamples(Float32Array.from({ length: D }, (_, i) => i === 7 ? 1e3 : 0.1), D);
  const [a, b] = [GAUSSIAN, whole(GAUSSIAN)].map((gaussian) => outlyingComponents(far, gaussian));
  deepEqual([a.length, a[0].index], [1, 7]);
  ok(Math.abs(a[0].deviations / b[0].deviations - 1) < 1e-9);
});

Deno.test("its ideal denoiser is that of its whole covariance, compiled as operation by operation", async () => {
  const expected = await predictions("tfjs-cpu", whole(GAUSSIAN), SHAPE);
  for (const backend of LOCAL_BACKENDS) {
    const got = await predictions(backend, GAUSSIAN, SHAPE);
    assertWithin(got, expected, { rtol: 1e-3, atol: 1e-4 }, backend);
  }
  const [compiled, eager] = await Promise.all(
    (["onnx-cpu", "tfjs-cpu"] as const).map((backend) => predictions(backend, GAUSSIAN, SHAPE)),
  );
  assertWithin(compiled, eager, { rtol: 1e-4, atol: 1e-5 }, "compiled");
});

Deno.test("a mixture of several denoises as one of their whole covariances does", async () => {
  const other = fitGaussian(smoothImages(90, SHAPE, 6, 2), SHAPE);
  const mixture = { weights: Float64Array.of(0.4, 0.6), components: [GAUSSIAN, other] };
  const z = Random.fromSeed(1).normalTensor([4, ...SHAPE]);
  const logsnr = { shape: [4], data: Float32Array.of(-3, 0, 1, 4) };
  const [got, expected] = await Promise.all([mixture, { ...mixture, components: mixture.components.map(whole) }].map(
    async (each) => {
      const predict = mixturePrediction(each);
      const program = (_: unknown, inputs: Record<string, Parameters<typeof predict>[0]>) => ({
        outputs: { epsHat: predict(inputs.z, inputs.logsnr) },
      });
      return (await run("onnx-cpu", program, { z, logsnr })).epsHat;
    },
  ));
  assertWithin(got, expected, { rtol: 1e-3, atol: 1e-4 }, "ε̂");
});

Deno.test("draws of it, and starts of sampling, have its covariance", () => {
  const count = 20_000, same = whole(GAUSSIAN), random = Random.fromSeed(3);
  const drawn = moments(sampleMixture({ weights: Float64Array.of(1), components: [GAUSSIAN] }, random, count), D);
  assertCovariance(drawn.covariance, same, count);
  const logsnr = 2, noise = random.fillNormal(new Float32Array(count * D));
  gaussianStart(noise, logsnr, GAUSSIAN);
  const started = moments(noise, D);
  const [signal, variance] = [sigmoid(logsnr), sigmoid(-logsnr)];
  assertCovariance(
    started.covariance,
    { ...same, eigenvalues: same.eigenvalues.map((l) => signal * l + variance) },
    count,
  );
  const deviations = axisVariances(same).map((l) => Math.sqrt((signal * l + variance) / count));
  started.mean.forEach((m, i) => ok(Math.abs(m - Math.sqrt(signal) * same.mean[i]) < 5 * deviations[i], `mean ${i}`));
});

Deno.test("new images of smooth textures are far more likely than if their pixels were independent", () => {
  const shape = [3, 16, 16], d = sizeOf(shape);
  const train = smoothImages(800, shape, 0), fresh = smoothImages(200, shape, 1);
  const bits = (gaussian: Gaussian) =>
    gaussianNll(fresh, gaussian).reduce((sum, nats) => sum + nats / 200, 0) / d / Math.LN2;
  const [pixels, image] = [bits(fitGaussian(train)), bits(fitGaussian(train, shape))];
  ok(image < pixels - 2, `${image} bits per dimension, ${pixels} of independent pixels`);
});

Deno.test("as a baseline it leaves a likelihood of images much less noise than independent pixels do", async () => {
  const shape = [1, 12, 12], d = sizeOf(shape), proposal = { loc: 2, scale: 2 };
  const train = smoothImages(250, shape, 0), fresh = smoothImages(100, shape, 1);
  // What is measured knows more than either: the covariance of many more images.
  const model = createGaussian({ shape, gaussian: fitGaussian(smoothImages(2000, shape, 2), shape) });
  const engine = await createEngine("onnx-cpu", 1);
  const spread = async (gaussian: Gaussian) => {
    const state = engine.createState({});
    const meter = await createErrorMeter(engine, state, () => ({}), model, { shape, gaussian }, 64);
    const estimates = [];
    for (let seed = 0; seed < 8; seed++) {
      const nll = await nllPerSample(meter, fresh, proposal, Random.fromSeed(seed), 1);
      estimates.push(nll.reduce((sum, nats) => sum + nats / nll.length, 0));
    }
    await meter.dispose();
    const mean = estimates.reduce((sum, value) => sum + value / 8, 0);
    return Math.sqrt(estimates.reduce((sum, value) => sum + (value - mean) ** 2 / 7, 0));
  };
  const [pixels, image] = [await spread(fitGaussian(train)), await spread(fitGaussian(train, shape))];
  engine.dispose();
  ok(image < pixels / 2, `${image} nats, ${pixels} against independent pixels, of ${d} dimensions`);
});

Deno.test("a run keeps it bit for bit, and damaged axes are refused", () =>
  inFolder(async (path) => {
    const folder = new RunFolder(path), info = { shape: SHAPE, gaussian: GAUSSIAN };
    await writeDataInfo(folder, info, info);
    const read = await readDataInfo(folder);
    deepEqual(read, info);
    const images = smoothImages(5, SHAPE, 2);
    deepEqual(gaussianNll(images, read.gaussian), gaussianNll(images, GAUSSIAN));
    const refused = async (axis: number, tensor: unknown, message: RegExp) => {
      const { [`axisBases.${axis}`]: _, ...others } = gaussianTensors(GAUSSIAN);
      const tensors = { ...others, ...(tensor ? { [`axisBases.${axis}`]: tensor as typeof others.mean } : {}) };
      const metadata = { format: "itdiffusion-data", shape: JSON.stringify(SHAPE) };
      await Deno.writeFile(folder.file("data.safetensors"), encodeSafetensors(tensors, metadata));
      await rejects(readDataInfo(folder), { name: "DataInfoError", message });
    };
    await refused(0, undefined, /its axisBases\.0 is not a float64 tensor of shape \[3,3\]/);
    await refused(1, { shape: [5, 5], data: cosines(5) }, /its axisBases\.1 is not a float64 tensor of shape \[4,4\]/);
    await refused(2, { shape: [5, 5], data: new Float64Array(25).fill(NaN) }, /axisBases\.2 holds values that are not/);
    const skew = cosines(5);
    skew[7] += 1e-3;
    await refused(2, { shape: [5, 5], data: skew }, /the columns of its axisBases\.2 are not orthonormal/);
  }));

import { deepEqual, equal, ok, throws } from "assert";
import { entropy, fitGaussian, gaussianNll, gaussianOf } from "../../../core/reference/gaussian.ts";
import { logsnrRange } from "../../../core/diffusion/logsnr.ts";
import { autoProposal, rangeOf } from "../../../core/reference/choose_reference.ts";
import { onlyGaussian } from "../../../core/reference/mixture.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { mseCurve } from "../../../core/evaluation/curve.ts";
import { type ErrorMeter, evaluationsAtOnce } from "../../../core/evaluation/errors.ts";
import { estimateNllAgainstStandard, nllPerSample } from "../../../core/evaluation/nll.ts";
import { Random } from "../../../core/random/random.ts";
import {
  byteSamples,
  floatSamples,
  forEachBlock,
  IMAGE_SCALE,
  type Samples,
  selectRows,
  toFloat32,
} from "../../../core/data/samples.ts";

const counting = Float32Array.from({ length: 12 }, (_, i) => i);

Deno.test("float and byte samples copy the rows asked for to where they are asked for", () => {
  const bytes = byteSamples(Uint8Array.from(counting), 3, { scale: 1, offset: 0 });
  for (const samples of [floatSamples(counting, 3), bytes]) {
    deepEqual([samples.count, samples.dimension], [4, 3]);
    const out = new Float32Array(8).fill(-1);
    samples.copy(1, 3, out, 1);
    deepEqual([...out], [-1, 3, 4, 5, 6, 7, 8, -1]);
    samples.copy(2, 2, out);
    samples.copy(3, 4, out);
    deepEqual([...out], [9, 10, 11, 5, 6, 7, 8, -1]);
    deepEqual(toFloat32(samples), counting);
    deepEqual(toFloat32(samples, 2, 3), Float32Array.of(6, 7, 8));
  }
  const wide = floatSamples(Float32Array.from({ length: 200 }, (_, i) => i), 100);
  deepEqual([...toFloat32(wide, 1)], Array.from({ length: 100 }, (_, i) => 100 + i));
});

Deno.test("bytes become values on a scale, rounded once", () => {
  const all = byteSamples(Uint8Array.from({ length: 256 }, (_, i) => i), 1, IMAGE_SCALE);
  deepEqual([...toFloat32(all)], Array.from({ length: 256 }, (_, i) => Math.fround(i * (2 / 255) - 1)));
  deepEqual([toFloat32(all)[0], toFloat32(all)[255]], [-1, 1]);
});

Deno.test("values that are not whole rows are refused", () => {
  throws(() => floatSamples(counting, 5), { name: "RangeError", message: /12 values for samples of dimension 5/ });
  for (const dimension of [0, -1, 1.5, NaN]) throws(() => byteSamples(new Uint8Array(3), dimension, IMAGE_SCALE));
});

Deno.test("selected rows come in the order asked for, and blocks cover all rows once", () => {
  deepEqual([...toFloat32(selectRows(floatSamples(counting, 3), Uint32Array.of(3, 0)))], [9, 10, 11, 0, 1, 2]);
  for (const [count, dimension] of [[50_000, 2], [7, 10_000], [3, 20_000], [0, 4]]) {
    const values = Float32Array.from({ length: count * dimension }, (_, i) => i % 65_537);
    const seen = new Float32Array(values.length);
    let rows = 0;
    forEachBlock(floatSamples(values, dimension), (block, first) => {
      equal(first, rows);
      seen.set(block, first * dimension);
      rows += block.length / dimension;
    });
    equal(rows, count);
    deepEqual(seen, values);
  }
});

/** As many random bytes as CIFAR-10 has, or fewer. */
function images(count: number): Samples {
  const bytes = new Uint8Array(count * 3072);
  new Uint32Array(bytes.buffer).forEach((_, i, words) => words[i] = Math.imul(i ^ i >>> 13, 0x9e3779b1) ^ i << 7);
  return byteSamples(bytes, 3072, IMAGE_SCALE);
}

Deno.test("a Gaussian, its likelihoods and a proposal are found for all of CIFAR-10", async () => {
  const train = images(50_000);
  const gaussian = fitGaussian(train);
  const nll = gaussianNll(train, gaussian);
  const engine = await createEngine("onnx-cpu", 1);
  const proposal = await autoProposal(engine, train, Random.fromSeed(0));
  engine.dispose();
  const mean = nll.reduce((sum, x) => sum + x / nll.length, 0);
  ok(Math.abs(mean - entropy(gaussian)) < 1e-6 * Math.abs(mean), `${mean}, entropy ${entropy(gaussian)}`);
  // So many dimensions have no mixture; one Gaussian has the range of its spectrum.
  const expected = rangeOf(onlyGaussian(gaussian));
  logsnrRange(proposal).forEach((end, i) => ok(Math.abs(end - expected[i]) < 1e-9, `${end}, not ${expected[i]}`));
});

Deno.test("images are measured in parts that bound the memory, with the numbers of one part", async () => {
  equal(evaluationsAtOnce(3072), 1024);
  equal(evaluationsAtOnce(1), 1 << 15);
  equal(evaluationsAtOnce(1e9), 2);
  const samples = images(1100);
  const gaussian = { mean: new Float64Array(3072), eigenvalues: new Float64Array(3072).fill(0.3) };
  let calls = 0, sum = 0;
  const meter: ErrorMeter = {
    shape: [3, 32, 32],
    reference: onlyGaussian(gaussian),
    measure(x, eps, logsnr) {
      calls++;
      ok(logsnr.length <= 1024 && x.length === logsnr.length * 3072 && eps.length === x.length);
      const mse = logsnr.map((_, i) => eps[i * 3072] ** 2 + x[i * 3072 + 1]);
      sum = mse.reduce((total, value) => total + value, sum);
      const none = new Float32Array(logsnr.length);
      return Promise.resolve({ mse, mseReference: none, distance: none });
    },
    dispose() {},
  };
  const eps = Random.fromSeed(3).fillNormal(new Float32Array(samples.count * 3072));
  const x = toFloat32(samples);
  const expected = Float64Array.from({ length: samples.count }, (_, i) => eps[i * 3072] ** 2 + x[i * 3072 + 1]);
  const mean = expected.reduce((total, value) => total + value / expected.length, 0);
  const curve = await mseCurve(meter, samples, { loc: 0, scale: 1 }, Random.fromSeed(3), 3);
  curve.mse.forEach((mse, k) => ok(Math.abs(mse - curve.gaussian[k] - mean) < 1e-6, `${mse}`));
  equal(calls, 6);
  sum = 0;
  await estimateNllAgainstStandard(meter, samples, { loc: 0, scale: 1 }, Random.fromSeed(3));
  equal(calls, 8);
  equal((await nllPerSample(meter, samples, { loc: 0, scale: 1 }, Random.fromSeed(3), 2)).length, 1100);
});

Deno.test("a covariance is that of all rows, however many there are", () => {
  for (const n of [6, 7, 8, 9, 11, 9001]) {
    const x = Random.fromSeed(n).fillNormal(new Float32Array(3 * n));
    const { mean, eigenvalues, eigenvectors: u } = fitGaussian(floatSamples(x, 3));
    for (const [i, j] of [[0, 0], [0, 2], [1, 2]]) {
      let expected = 0, got = 0;
      for (let row = 0; row < x.length; row += 3) expected += (x[row + i] - mean[i]) * (x[row + j] - mean[j]) / n;
      for (let k = 0; k < 3; k++) got += u![3 * i + k] * eigenvalues[k] * u![3 * j + k];
      ok(Math.abs(got - expected) < 1e-8, `${n}: ${got}, expected ${expected}`);
    }
  }
});

Deno.test("a Gaussian needs two samples", () => {
  throws(() => fitGaussian(floatSamples(Float32Array.of(1, 2), 2)), { name: "RangeError", message: /Got 1 samples/ });
  const { mean } = fitGaussian(floatSamples(Float32Array.of(1, 2, 3, 6), 2));
  deepEqual([...mean], [2, 4]);
  equal(gaussianOf([0], [1]).eigenvalues[0], 1);
});

Deno.test("a Gaussian of few samples in many dimensions fits new ones", () => {
  const random = Random.fromSeed(0);
  const draw = (n: number) => floatSamples(random.fillNormal(new Float32Array(n * 50)), 50);
  const few = fitGaussian(draw(40));
  equal(few.eigenvectors, undefined);
  const pair = fitGaussian(floatSamples(Float32Array.of(1, 2, 5, 3, 8, 5), 3));
  deepEqual([...pair.eigenvalues], [1, 9, 0].map((variance) => Math.max(variance, 9 * 1e-9)));
  const nll = gaussianNll(draw(100), few).reduce((sum, x) => sum + x / 100, 0);
  ok(nll < 50 * 2, `per dimension about ½·log(2πe): ${nll}`);
  ok(fitGaussian(draw(100)).eigenvectors, "two samples a dimension have a full covariance");
});

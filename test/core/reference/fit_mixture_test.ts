import { deepEqual, ok } from "assert";
import { createEngine } from "../../../core/engine/mod.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { Random } from "../../../core/random/random.ts";
import { cholesky, congruence, inverseTranspose } from "../../../core/reference/cholesky.ts";
import { chooseMixture, variancesFloor } from "../../../core/reference/choose_mixture.ts";
import { type Component, ExpectationStep } from "../../../core/reference/expectation.ts";
import { fitMixture, splitByPlace, splitBySize, startingComponents } from "../../../core/reference/fit_mixture.ts";
import { type GaussianMixture, gaussianMixture, mixtureNll, sampleMixture } from "../../../core/reference/mixture.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";

const engine = await createEngine("onnx-cpu", 1);

/** A covariance and its factor. */
function randomCovariance(random: Random, d: number): Float64Array {
  const root = random.fillNormal(new Float64Array(d * d));
  return Float64Array.from({ length: d * d }, (_, at) => {
    const [i, j] = [Math.floor(at / d), at % d];
    let sum = i === j ? 0.1 : 0;
    for (let k = 0; k < d; k++) sum += root[i * d + k] * root[j * d + k] / d;
    return sum;
  });
}

Deno.test("a Cholesky factor's products are the covariance, and what it whitens is white", () => {
  const d = 7, covariance = randomCovariance(Random.fromSeed(1), d);
  const factor = cholesky(covariance, d)!;
  const identity = Float64Array.from({ length: d * d }, (_, at) => Number(at % (d + 1) === 0));
  congruence(factor, identity, d).forEach((value, i) => ok(Math.abs(value - covariance[i]) < 1e-12));
  const inverse = inverseTranspose(factor, d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      let sum = 0;
      for (let k = 0; k < d; k++) sum += factor[i * d + k] * inverse[j * d + k];
      ok(Math.abs(sum - identity[i * d + j]) < 1e-10, `${sum}`);
    }
  }
  deepEqual(cholesky(Float64Array.of(1, 2, 2, 1), 2), undefined);
});

for (const [d, k, n] of [[2, 3, 500], [9, 5, 70_000]]) {
  Deno.test(`the expectation step in ${d} dimensions is that of float64 arithmetic, in as many blocks as it takes`, async () => {
    const random = Random.fromSeed(2);
    const components: Component[] = Array.from({ length: k }, (_, c) => ({
      count: c + 1,
      mean: random.split(c).fillNormal(new Float64Array(d)),
      factor: cholesky(randomCovariance(random.split(c).split("covariance"), d), d)!,
    }));
    const x = random.fillNormal(new Float32Array(n * d));
    const step = new ExpectationStep(engine);
    const got = await step.run(floatSamples(x, d), components);
    step.dispose();
    const [counts, sums] = [new Float64Array(k), new Float64Array(k * d)];
    const products = new Float64Array(k * d * d);
    const inverses = components.map(({ factor }) => inverseTranspose(factor, d));
    let logLikelihood = 0;
    const total = components.reduce((sum, { count }) => sum + count, 0);
    for (let i = 0; i < n; i++) {
      const parts = components.map(({ count, mean, factor }, c) => {
        const y = new Float64Array(d);
        let log = Math.log(count / total) - 0.5 * d * Math.log(2 * Math.PI);
        for (let a = 0; a < d; a++) {
          for (let b = 0; b <= a; b++) y[a] += (x[i * d + b] - mean[b]) * inverses[c][b * d + a];
          log -= 0.5 * y[a] ** 2 + Math.log(factor[a * d + a]);
        }
        return { y, log };
      });
      const largest = Math.max(...parts.map(({ log }) => log));
      const sum = parts.reduce((all, { log }) => all + Math.exp(log - largest), 0);
      logLikelihood += (largest + Math.log(sum)) / n;
      parts.forEach(({ y, log }, c) => {
        const share = Math.exp(log - largest) / sum;
        counts[c] += share;
        for (let a = 0; a < d; a++) {
          sums[c * d + a] += share * y[a];
          for (let b = 0; b < d; b++) products[(c * d + a) * d + b] += share * y[a] * y[b];
        }
      });
    }
    const near = (a: number, b: number, size: number) => ok(Math.abs(a - b) < 2e-5 * size, `${a} and ${b}`);
    near(got.logLikelihood, logLikelihood, 1 + Math.abs(logLikelihood));
    counts.forEach((value, c) => near(got.counts[c], value, n));
    const most = products.reduce((a, b) => Math.max(a, Math.abs(b)), n);
    sums.forEach((value, c) => near(got.sums[c], value, most));
    products.forEach((value, c) => near(got.products[c], value, most));
  });
}

const two = gaussianMixture({
  weights: [0.3, 0.7],
  means: [-3, 0, 3, 1],
  covariances: [0.5, 0.2, 0.2, 0.4, 1, -0.3, -0.3, 0.3],
});

function meanNll(samples: ReturnType<typeof floatSamples>, mixture: GaussianMixture): number {
  return mixtureNll(samples, mixture).reduce((sum, nll) => sum + nll / samples.count, 0);
}

Deno.test("a chosen mixture has the components that the samples are of, and the same seed gives the same one", async () => {
  const draw = (seed: number, n: number) => floatSamples(sampleMixture(two, Random.fromSeed(seed), n), 2);
  const [train, validation] = [draw(1, 4000), draw(2, 500)];
  const { mixture, tried } = await chooseMixture(engine, train, validation, Random.fromSeed(0));
  const fresh = draw(3, 4000);
  const [found, truth] = [meanNll(fresh, mixture), meanNll(fresh, two)];
  ok(found < truth + 0.01, `${found}, the truth ${truth}`);
  ok(tried.every(({ nll }) => Number.isFinite(nll)) && tried.some(({ components }) => components === 1));
  const again = await chooseMixture(engine, train, validation, Random.fromSeed(0));
  deepEqual(again.mixture, mixture);
  const asked = await chooseMixture(engine, train, validation, Random.fromSeed(0), { components: 2 });
  const order = [0, 1].toSorted((a, b) => asked.mixture.weights[a] - asked.mixture.weights[b]);
  order.forEach((at, i) => {
    ok(Math.abs(asked.mixture.weights[at] - two.weights[i]) < 0.03);
    const { mean, eigenvalues } = asked.mixture.components[at];
    mean.forEach((value, j) => ok(Math.abs(value - two.components[i].mean[j]) < 0.1));
    const expected = two.components[i].eigenvalues.toSorted();
    eigenvalues.toSorted().forEach((value, j) => ok(Math.abs(value / expected[j] - 1) < 0.15));
  });
});

Deno.test("Gaussian data has one component, and few samples in many dimensions a mixture that new ones fit", async () => {
  const normal = (seed: number, n: number, d: number) =>
    floatSamples(Random.fromSeed(seed).fillNormal(new Float32Array(n * d)), d);
  const plain = await chooseMixture(engine, normal(1, 2000, 3), normal(2, 400, 3), Random.fromSeed(0));
  ok(meanNll(normal(3, 2000, 3), plain.mixture) < 1.5 * Math.log(2 * Math.PI * Math.E) + 0.03);
  const mixture = randomMixture(Random.fromSeed(4), 3, 20);
  const draw = (seed: number, n: number) => floatSamples(sampleMixture(mixture, Random.fromSeed(seed), n), 20);
  const chosen = await chooseMixture(engine, draw(5, 300), draw(6, 100), Random.fromSeed(0));
  const one = await chooseMixture(engine, draw(5, 300), draw(6, 100), Random.fromSeed(0), { components: 1 });
  const fresh = draw(7, 1000);
  ok(meanNll(fresh, chosen.mixture) < meanNll(fresh, one.mixture), "a mixture is nearer than one Gaussian");
});

Deno.test("a step never lowers the likelihood, and what is split begins near what it was", async () => {
  const train = floatSamples(sampleMixture(two, Random.fromSeed(1), 1000), 2);
  const prior = { pseudoSamples: 0.01, floor: new Float64Array(2).fill(1e-6) };
  const step = new ExpectationStep(engine);
  let components: readonly Component[] = startingComponents(train, 3, prior, Random.fromSeed(2));
  let before = -Infinity;
  for (let i = 0; i < 10; i++) {
    const { logLikelihood, components: next } = await fitMixture(step, train, components, prior, {
      steps: 1,
      tolerance: 0,
    });
    ok(logLikelihood > before - 1e-3, `${logLikelihood} after ${before}`);
    [before, components] = [logLikelihood, next];
  }
  for (const split of [splitBySize, splitByPlace]) {
    const halves = split(components);
    ok(halves.length === 2 * components.length);
    const { logLikelihood } = await step.run(train, halves);
    ok(logLikelihood > before - 0.3, `${logLikelihood} after ${before}`);
  }
  step.dispose();
});

Deno.test("a variance is at least that of rounding, and of the distance of neighbours", () => {
  const random = Random.fromSeed(3), n = 2000;
  const rounded = Float32Array.from({ length: n }, () => Math.round(random.normal() * 10) / 10);
  const [of] = variancesFloor(floatSamples(rounded, 1));
  ok(Math.abs(of - 0.01 / 12) < 1e-6, `${of}`);
  const [smooth] = variancesFloor(floatSamples(random.fillNormal(new Float32Array(n)), 1));
  ok(smooth > 0 && smooth < 1e-5, `${smooth}`);
  ok(variancesFloor(floatSamples(new Float32Array(n).fill(3), 1))[0] > 0);
});

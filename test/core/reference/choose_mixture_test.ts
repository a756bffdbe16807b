import { deepEqual, equal, ok, rejects } from "assert";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { createEngine, type Engine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { chooseMixture, variancesFloor } from "../../../core/reference/choose_mixture.ts";
import { entropy } from "../../../core/reference/gaussian.ts";
import { type GaussianMixture, gaussianMixture, mixtureNll, sampleMixture } from "../../../core/reference/mixture.ts";

function draw(mixture: GaussianMixture, n: number, seed: number): Samples {
  return floatSamples(sampleMixture(mixture, Random.fromSeed(seed), n), mixture.components[0].mean.length);
}

async function withEngine(test: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await createEngine("onnx-cpu", 1);
  await test(engine);
  engine.dispose();
}

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

const ONE = gaussianMixture({ weights: [1], means: [1, -2], covariances: [2, 1.2, 1.2, 1] });

/** Two flat ones across each other. */
const TWO = gaussianMixture({
  weights: [0.4, 0.6],
  means: [-2, 0, 2, 0],
  covariances: [0.02, 0, 0, 1, 1, 0, 0, 0.02],
});

Deno.test("Gaussian data has one component, and its likelihood", () =>
  withEngine(async (engine) => {
    const { mixture, tried } = await chooseMixture(engine, draw(ONE, 2000, 1), draw(ONE, 500, 2), Random.fromSeed(0));
    equal(mixture.components.length, 1);
    deepEqual([...mixture.weights], [1]);
    const nll = mean(mixtureNll(draw(ONE, 20_000, 3), mixture)), truth = entropy(ONE.components[0]);
    ok(Math.abs(nll - truth) < 0.03, `${nll} for ${truth}`);
    // Four times as many that are no better end the search.
    deepEqual(tried.map(({ components }) => components).filter((k, i, all) => k !== all[i - 1]), [1, 2]);
    ok(tried.every(({ nll }) => nll >= tried[0].nll));
  }));

Deno.test("data in two places has several components, whose likelihood on other samples is the truth's", () =>
  withEngine(async (engine) => {
    const validation = draw(TWO, 500, 2);
    const { mixture, tried } = await chooseMixture(engine, draw(TWO, 3000, 1), validation, Random.fromSeed(0));
    ok(mixture.components.length >= 2 && mixture.components.length <= 4, `${mixture.components.length}`);
    ok(Math.abs(mean(mixture.weights) * mixture.weights.length - 1) < 1e-9);
    const others = draw(TWO, 20_000, 3), truth = mean(mixtureNll(others, TWO));
    const nll = mean(mixtureNll(others, mixture));
    ok(nll > truth - 0.01 && nll < truth + 0.03, `${nll} for ${truth}`);
    // The best that was tried, once more on all samples.
    const best = tried.reduce((a, b) => b.nll < a.nll ? b : a);
    equal(best.components, mixture.components.length);
    ok(Math.abs(best.nll - mean(mixtureNll(validation, mixture))) < 0.02, `${best.nll}`);
    ok(tried[0].components === 1 && tried[0].nll > best.nll + 0.3);
  }));

Deno.test("the same seed gives the same mixture, and another one another", () =>
  withEngine(async (engine) => {
    const [train, validation] = [draw(TWO, 600, 1), draw(TWO, 200, 2)];
    const choose = (seed: number) => chooseMixture(engine, train, validation, Random.fromSeed(seed), { components: 6 });
    const first = await choose(0);
    deepEqual(await choose(0), first);
    ok((await choose(1)).tried[0].nll !== first.tried[0].nll);
  }));

Deno.test("the number of components that is asked for is had, and a signal ends the choice", () =>
  withEngine(async (engine) => {
    const [train, validation] = [draw(TWO, 600, 1), draw(TWO, 200, 2)], random = Random.fromSeed(0);
    for (const components of [1, 3, 8]) {
      const { mixture, tried } = await chooseMixture(engine, train, validation, random, { components });
      equal(mixture.components.length, components);
      ok(tried.every((one) => one.components === components));
    }
    const signal = AbortSignal.abort(new Error("Enough."));
    await rejects(chooseMixture(engine, train, validation, random, { signal }), /Enough/);
  }));

Deno.test("continuous axes have the typical distance of neighbours as their floor, rounded ones their error", () => {
  const random = Random.fromSeed(3), n = 4000;
  const rows = Float32Array.from({ length: n }, () => random.uniform());
  const of = (...axes: ((u: number, i: number) => number)[]) =>
    variancesFloor(floatSamples(
      Float32Array.from({ length: n * axes.length }, (_, at) => {
        const i = Math.floor(at / axes.length);
        return axes[at % axes.length](rows[i], i);
      }),
      axes.length,
    ));
  const [uniform, wide, rounded, fine, constant, halves] = of(
    (u) => u,
    (u) => 1000 * u,
    (u) => Math.round(u * 255) / 255,
    // Rounded to where most values have no equal: that is no rounding to speak of.
    (u) => Math.round(u * 1e5) / 1e5,
    () => 7,
    (_, i) => i % 2,
  );
  // Distances of n neighbours are exponential, of the median log(2)/n.
  const median = Math.LN2 / n;
  ok(Math.abs(Math.sqrt(uniform) / median - 1) < 0.1, `${Math.sqrt(uniform)} for ${median}`);
  ok(Math.abs(wide / uniform / 1e6 - 1) < 0.01);
  ok(Math.abs(rounded * 12 * 255 ** 2 - 1) < 0.01, `${rounded}`);
  ok(Math.abs(Math.sqrt(fine) / median - 1) < 0.15, `${fine}`);
  ok(constant > 0 && constant < 1e-9, `${constant}`);
  ok(Math.abs(halves * 12 - 1) < 1e-6, `${halves}`);
});

Deno.test("rounded data and data on a line have proper components", () =>
  withEngine(async (engine) => {
    const random = Random.fromSeed(4);
    const rounded = (n: number) =>
      floatSamples(random.fillNormal(new Float32Array(2 * n)).map((x) => Math.round(4 * x) / 4), 2);
    const line = (n: number) => {
      const x = Float32Array.from({ length: n }, () => random.normal());
      return floatSamples(Float32Array.from({ length: 2 * n }, (_, i) => x[i >> 1] * (1 + i % 2)), 2);
    };
    for (const points of [rounded, line]) {
      const { mixture } = await chooseMixture(engine, points(400), points(100), random.split("choice"));
      for (const { mean, eigenvalues } of mixture.components) {
        ok(mean.every(Number.isFinite) && eigenvalues.every((l) => l > 0 && Number.isFinite(l)), `${eigenvalues}`);
      }
      ok(Number.isFinite(mean(mixtureNll(points(50), mixture))));
    }
    // A value on the grid is known to its error, and no better: no component is finer than that.
    const { mixture } = await chooseMixture(engine, rounded(400), rounded(100), random.split("grid"));
    ok(mixture.components.every(({ eigenvalues }) => eigenvalues.every((l) => l > 0.9 / 12 / 16)));
  }));

Deno.test("samples that no mixture is of are an error that says so", () =>
  withEngine(async (engine) => {
    const train = floatSamples(new Float32Array(40).fill(NaN), 2), random = Random.fromSeed(0);
    await rejects(chooseMixture(engine, train, draw(ONE, 10, 1), random), RangeError);
    // As many components as there are samples: none has two.
    const few = draw(ONE, 6, 1);
    await rejects(chooseMixture(engine, few, draw(ONE, 10, 1), random, { components: 6 }), RangeError);
  }));

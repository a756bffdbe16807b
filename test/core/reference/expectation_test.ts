import { equal, ok } from "assert";
import { floatSamples, type Samples, toFloat32 } from "../../../core/data/samples.ts";
import { createEngine, type Engine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { type Component, type Expectation, ExpectationStep } from "../../../core/reference/expectation.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";

/** Components whose factors are well conditioned, and samples of about the same place. */
function example(k: number, d: number, n: number): { components: Component[]; samples: Samples } {
  const random = Random.fromSeed(100 * k + d);
  const components = Array.from({ length: k }, (_, c) => ({
    count: 1 + c % 3,
    mean: random.fillNormal(new Float64Array(d)),
    factor: Float64Array.from({ length: d * d }, (_, at) => {
      const [i, j] = [Math.floor(at / d), at % d];
      return i < j ? 0 : i === j ? 0.6 + random.uniform() : 0.5 * random.normal() / d;
    }),
  }));
  return { components, samples: floatSamples(random.fillNormal(new Float32Array(n * d)).map((x) => 1.5 * x), d) };
}

/** The same by its definition, in double precision. */
function directly(samples: Samples, components: readonly Component[]): Expectation {
  const { count: n, dimension: d } = samples, k = components.length, x = toFloat32(samples);
  const counts = new Float64Array(k), sums = new Float64Array(k * d), products = new Float64Array(k * d * d);
  const total = components.reduce((sum, { count }) => sum + count, 0);
  const y = new Float64Array(k * d), logs = new Float64Array(k);
  let logLikelihood = 0;
  for (let row = 0; row < n; row++) {
    components.forEach(({ count, mean, factor }, c) => {
      logs[c] = Math.log(count / total) - 0.5 * d * Math.log(2 * Math.PI);
      for (let i = 0; i < d; i++) {
        let value = x[row * d + i] - mean[i];
        for (let j = 0; j < i; j++) value -= factor[i * d + j] * y[c * d + j];
        y[c * d + i] = value / factor[i * d + i];
        logs[c] -= Math.log(factor[i * d + i]) + 0.5 * y[c * d + i] ** 2;
      }
    });
    const largest = Math.max(...logs), sum = logs.reduce((sum, log) => sum + Math.exp(log - largest), 0);
    logLikelihood += (largest + Math.log(sum)) / n;
    for (let c = 0; c < k; c++) {
      const share = Math.exp(logs[c] - largest) / sum;
      counts[c] += share;
      for (let i = 0; i < d; i++) {
        sums[c * d + i] += share * y[c * d + i];
        for (let j = 0; j < d; j++) products[(c * d + i) * d + j] += share * y[c * d + i] * y[c * d + j];
      }
    }
  }
  return { counts, precisions: counts, sums, products, logLikelihood };
}

async function compare(engine: Engine, k: number, d: number, n: number): Promise<void> {
  const { components, samples } = example(k, d, n), step = new ExpectationStep(engine);
  const expected = directly(samples, components), got = await step.run(samples, components);
  step.dispose();
  ok(
    Math.abs(got.logLikelihood - expected.logLikelihood) < 1e-5 * Math.abs(expected.logLikelihood),
    `${got.logLikelihood} for ${expected.logLikelihood}`,
  );
  for (const name of ["counts", "sums", "products"] as const) {
    const size = expected[name].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expected[name].forEach((value, i) =>
      ok(Math.abs(got[name][i] - value) < 2e-5 * size, `${name}: ${got[name][i]} for ${value} at ${i}`)
    );
    // Places up to the power of two are no components.
    ok(got[name].subarray(expected[name].length).every((value) => value === 0), name);
  }
}

// In the last two the samples are more than a block, which holds 2²¹ whitened values, and no whole number of blocks.
for (const [k, d, n] of [[1, 3, 100], [3, 2, 500], [5, 9, 300], [33, 7, 6000], [33, 40, 1500]]) {
  Deno.test(`the expectations of ${k} components in ${d}-D are those of double precision, of ${n} rows`, async () => {
    const engine = await createEngine("onnx-cpu", 1);
    await compare(engine, k, d, n);
    engine.dispose();
  });
}

Deno.test("expectations are the same on every backend", async () => {
  for (const backend of LOCAL_BACKENDS) {
    const engine = await createEngine(backend, 1);
    await compare(engine, 3, 2, 200);
    await compare(engine, 3, 9, 200);
    engine.dispose();
  }
});

Deno.test("a sample far from every component belongs to the nearest, and a step's programs serve other components", async () => {
  const engine = await createEngine("onnx-cpu", 1), step = new ExpectationStep(engine);
  const unit = (mean: number): Component => ({ count: 1, mean: Float64Array.of(mean), factor: Float64Array.of(1) });
  const far = floatSamples(Float32Array.of(1000, -1000, 990), 1);
  for (const [components, counts] of [[[unit(-1), unit(1)], [1, 2]], [[unit(1), unit(-1)], [2, 1]]] as const) {
    const got = await step.run(far, components);
    counts.forEach((count, c) => ok(Math.abs(got.counts[c] - count) < 1e-6, `${got.counts}`));
    ok(Number.isFinite(got.logLikelihood));
  }
  equal((await step.run(far, [unit(0)])).counts[0], 3);
  step.dispose();
  engine.dispose();
});

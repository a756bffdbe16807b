import { deepEqual, equal, ok, rejects, throws } from "assert";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { logsnrRange } from "../../../core/diffusion/logsnr.ts";
import { createEngine, type Engine } from "../../../core/engine/mod.ts";
import { UserError } from "../../../core/errors/user_error.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import { Random } from "../../../core/random/random.ts";
import {
  autoProposal,
  chooseReference,
  mixtureNear,
  rangeOf,
  type ReferenceRequest,
  referenceRequest,
} from "../../../core/reference/choose_reference.ts";
import { fitGaussian, gaussianOf, standardGaussian } from "../../../core/reference/gaussian.ts";
import {
  type GaussianMixture,
  gaussianMixture,
  mixtureNll,
  onlyGaussian,
  sampleMixture,
} from "../../../core/reference/mixture.ts";
import { mixtureDenoiser } from "../../../denoisers/mixture/mod.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";

const STEP = 0.5;

async function withEngine(test: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await createEngine("onnx-cpu", 1);
  await test(engine);
  engine.dispose();
}

for (const [k, d] of [[1, 2], [1, 16], [1, 64], [4, 2], [4, 16], [4, 64]]) {
  Deno.test(`the automatic range of ${k} in ${d}-D cuts off less than a fiftieth of a nat`, () =>
    withEngine(async (engine) => {
      const random = Random.fromSeed(0), mixture = randomMixture(random.split("mixture"), k, d);
      const draw = (stream: string, n: number) => sampleMixture(mixture, random.split(stream), n);
      const train = floatSamples(draw("train", 1000), d), gaussian = fitGaussian(train);
      const proposal = await autoProposal(engine, train, random.split("proposal"));
      equal(proposal.even, undefined);
      const [low, high] = logsnrRange(proposal), n = 500;
      const info = { shape: [d], gaussian }, denoiser = mixtureDenoiser(mixture);
      const meter = await createErrorMeter(engine, engine.createState({}), () => ({}), denoiser, info, 2 * n);
      /** Half the gap of the ideal denoiser to the Gaussian's beyond an end of the range, by the midpoint rule. */
      const beyond = async (end: number, step: number) => {
        let sum = 0;
        for (let i = 0; i < 16; i++) {
          const x = draw(`${i}`, n), eps = random.split("noise").split(i).fillNormal(new Float32Array(n * d));
          const logsnr = new Float32Array(2 * n).fill(end + (i + 0.5) * step);
          const { mse, mseReference } = await meter.measure(
            Float32Array.of(...x, ...x),
            Float32Array.of(...eps, ...eps.map((e) => -e)),
            logsnr,
          );
          mse.forEach((error, j) => sum += 0.5 * STEP * (error - mseReference[j]) / (2 * n));
        }
        return sum;
      };
      const lost = [await beyond(low, -STEP), await beyond(high, STEP)];
      ok(lost.every((nats) => Math.abs(nats) < 0.02), `${low} to ${high}: ${lost}`);
      await meter.dispose();
    }));
}

Deno.test("the automatic range of a Gaussian holds the directions of its least and its largest variance", () =>
  withEngine(async (engine) => {
    const d = 32, random = Random.fromSeed(1);
    // One direction of each: the spectrum's mean does not see them.
    const deviation = (i: number) => i === 0 ? 30 : i === 1 ? 0.01 : 1;
    const x = random.fillNormal(new Float32Array(1000 * d)).map((e, i) => e * deviation(i % d));
    const [low, high] = logsnrRange(await autoProposal(engine, floatSamples(x, d), random));
    ok(low < -2 * Math.log(30) - 4 && high > 2 * Math.log(100) + 4, `${low} to ${high}`);
    ok(low > -13 && high < 17, `${low} to ${high}`);
  }));

Deno.test("the range of a mixture lies around its largest and its finest structure, whatever is rare", () => {
  const near = (got: readonly number[], expected: readonly number[]) =>
    got.forEach((end, i) => ok(Math.abs(end - expected[i]) < 1e-9, `${got} for ${expected}`));
  near(rangeOf(onlyGaussian(standardGaussian(3))), [-5, 5]);
  near(rangeOf(onlyGaussian(gaussianOf([100, 0], [4, 0, 0, 0.01]))), [-Math.log(4) - 5, Math.log(100) + 5]);
  // Centres that lie ±3 apart are of a variance that no component has.
  const apart = gaussianMixture({ weights: [0.5, 0.5], means: [-3, 3], covariances: [0.01, 0.01] });
  near(rangeOf(apart), [-Math.log(9.01) - 5, Math.log(100) + 5]);
  // A hundredth of the data does not decide how fine the rest is; a twentieth does.
  const rare = (weight: number) =>
    rangeOf(gaussianMixture({ weights: [1 - weight, weight], means: [0, 0], covariances: [1, 1e-4] }));
  near(rare(0.01), [-5, 5]);
  near(rare(0.05), [-5, Math.log(1e4) + 5]);
  // What many dimensions have beyond the upper end adds up.
  const [, many] = rangeOf(onlyGaussian(standardGaussian(64)));
  ok(many > 6 && many < 8, `${many}`);
  near(rangeOf(onlyGaussian(gaussianOf([0], [1e-9]))), [Math.log(1e9) - 5, Math.log(1e9) + 5]);
  // So far above the largest the noise is as small as the rounding of float32.
  ok(rangeOf(onlyGaussian({ mean: new Float64Array(2), eigenvalues: Float64Array.of(1, 1e-15) }))[1] === 24);
});

Deno.test("data on a line, of few samples or of one value has a finite range", () =>
  withEngine(async (engine) => {
    const random = Random.fromSeed(2);
    const rows = (n: number, d: number, value: (i: number) => number) =>
      floatSamples(Float32Array.from({ length: n * d }, (_, i) => value(i)), d);
    const cases: Record<string, Samples> = {
      "on a line": rows(100, 3, (i) => Math.floor(i / 3) / 50),
      "five rows": rows(5, 2, () => random.normal()),
      "two rows": rows(2, 1, () => random.normal()),
      "a constant column": rows(400, 3, (i) => i % 3 === 0 ? 7 : random.normal()),
      "two values": rows(300, 2, (i) => i < 300 ? -1 : 1),
    };
    for (const [name, train] of Object.entries(cases)) {
      const { loc, scale } = await autoProposal(engine, train, random.split("proposal"));
      ok(Number.isFinite(loc) && scale > 0 && Number.isFinite(scale), `${name}: ${loc}, ${scale}`);
    }
  }));

Deno.test("data of a tiny scale, and of none, has a range that ascends", () =>
  withEngine(async (engine) => {
    const random = Random.fromSeed(3);
    for (const scale of [1e-3, 1e-6, 0]) {
      const train = floatSamples(Float32Array.from({ length: 200 }, () => scale * random.normal()), 2);
      const [low, high] = logsnrRange(await autoProposal(engine, train, random.split("proposal")));
      ok(low < high, `${scale}: ${low} to ${high}`);
    }
  }));

Deno.test("the same seed gives the same range, that of the mixture that it fits", () =>
  withEngine(async (engine) => {
    const train = floatSamples(sampleMixture(randomMixture(Random.fromSeed(3), 3, 2), Random.fromSeed(4), 400), 2);
    const propose = (seed: number) => autoProposal(engine, train, Random.fromSeed(seed));
    deepEqual(await propose(5), await propose(5));
    ok((await propose(6)).loc !== (await propose(5)).loc);
    const range = rangeOf(await mixtureNear(engine, train, Random.fromSeed(5)));
    logsnrRange(await propose(5)).forEach((end, i) => ok(Math.abs(end - range[i]) < 1e-9, `${end} for ${range[i]}`));
  }));

Deno.test("a reference is asked for by name, a mixture by its number too", () => {
  for (const kind of ["auto", "gaussian", "mixture", "kernel", "none"] as const) {
    deepEqual(referenceRequest(kind), { kind });
  }
  deepEqual(referenceRequest("mixture:32"), { kind: "mixture", components: 32 });
  for (
    const wrong of ["", "mixtures", "mixture:", "mixture:0", "mixture:1.5", "mixture:5000", "mixture:2:3", "kernel:8"]
  ) {
    throws(
      () => referenceRequest(wrong),
      (error) => error instanceof UserError && /--reference is .*expected auto, gaussian/.test(error.message),
    );
  }
});

/** Two clusters, which one Gaussian describes badly. */
const CLUSTERS = gaussianMixture({
  weights: [0.5, 0.5],
  means: [-2, 0, 2, 0],
  covariances: [0.1, 0, 0, 0.1, 0.1, 0, 0, 0.1],
});

const ROUND = onlyGaussian(standardGaussian(2));

function dataOf(mixture: GaussianMixture) {
  const d = mixture.components[0].mean.length;
  const draw = (stream: string, n: number) =>
    floatSamples(sampleMixture(mixture, Random.fromSeed(7).split(stream), n), d);
  const train = draw("train", 1500);
  return { train, validation: draw("validation", 400), gaussian: fitGaussian(train), fresh: draw("fresh", 1000) };
}

Deno.test("the reference is what was asked for, and the structure the data's", () =>
  withEngine(async (engine) => {
    const chosen = ({ gaussian, ...data }: ReturnType<typeof dataOf>, request: ReferenceRequest) =>
      chooseReference(engine, data, gaussian, request, Random.fromSeed(0));
    const clusters = dataOf(CLUSTERS), round = dataOf(ROUND);
    const nllOf = (mixture: GaussianMixture) =>
      mixtureNll(clusters.fresh, mixture).reduce((sum, nll) => sum + nll / clusters.fresh.count, 0);
    const truth = nllOf(CLUSTERS);

    const auto = await chosen(clusters, { kind: "auto" });
    ok(auto.reference.components.length > 1 && auto.reference === auto.structure);
    ok(Math.abs(nllOf(auto.reference) - truth) < 0.03, `${nllOf(auto.reference)} for ${truth}`);
    // Of Gaussian data it is that Gaussian itself.
    deepEqual((await chosen(round, { kind: "auto" })).reference, onlyGaussian(round.gaussian));

    for (const kind of ["gaussian", "none"] as const) {
      const { reference, structure } = await chosen(clusters, { kind });
      deepEqual(reference, onlyGaussian(clusters.gaussian));
      deepEqual(structure, auto.structure);
      ok(nllOf(reference) > truth + 0.3);
    }
    const three = await chosen(clusters, { kind: "mixture", components: 3 });
    deepEqual([three.reference.components.length, three.structure === three.reference], [3, true]);
    ok(nllOf(three.reference) < truth + 0.05);

    const kernel = await chosen(clusters, { kind: "kernel" });
    equal(kernel.reference.components.length, 1024);
    deepEqual(kernel.structure, auto.structure);
    const width = kernel.reference.components[0].eigenvalues[0];
    ok(width > 1e-4 && width < 0.1, `${width}`);
    ok(kernel.reference.components.every(({ eigenvalues }) => eigenvalues.every((l) => l === width)));
    ok(nllOf(kernel.reference) > truth && nllOf(kernel.reference) < truth + 0.2);
  }));

Deno.test("what cannot be had in so many dimensions, or of so few samples, is an error that says so", () =>
  withEngine(async (engine) => {
    const choose = (d: number, n: number, request: ReferenceRequest) => {
      const train = floatSamples(Random.fromSeed(0).fillNormal(new Float32Array(n * d)), d);
      return chooseReference(engine, { train, validation: train }, fitGaussian(train), request, Random.fromSeed(1));
    };
    for (
      const [d, n, request, message] of [
        [
          257,
          8,
          { kind: "mixture" },
          /--reference is mixture, but the data has 8 training samples of 257 .* at least 128/,
        ],
        [16, 25, { kind: "mixture" }, /the data has 25 training samples of 16 values, expected at least 32/],
        [17, 8, { kind: "kernel" }, /--reference is kernel, but the data has 17 dimensions, expected at most 16/],
        [2, 8, { kind: "mixture", components: 9 }, /a mixture of 9, but the data has 8 training samples/],
      ] as const
    ) {
      await rejects(choose(d, n, request), (error) => error instanceof UserError && message.test(error.message));
    }
    // Left open, it is one Gaussian: in so many dimensions, of fewer samples than a covariance takes, and of few.
    for (const [d, n] of [[257, 100], [16, 25], [2, 12]]) {
      const { reference, structure } = await choose(d, n, { kind: "auto" });
      equal(reference.components.length, 1);
      equal(structure, reference);
    }
  }));

Deno.test("another backend than the compiled one has the same reference", async () => {
  const { gaussian, ...data } = dataOf(CLUSTERS);
  const chosen = [];
  for (const backend of ["onnx-cpu", "tfjs-cpu"] as const) {
    const engine = await createEngine(backend, 1);
    chosen.push(await chooseReference(engine, data, gaussian, { kind: "auto" }, Random.fromSeed(0)));
    engine.dispose();
  }
  deepEqual(chosen[1], chosen[0]);
});

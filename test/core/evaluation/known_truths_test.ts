import { equal, ok } from "assert";
import { entropy, fitGaussian, gaussianOf } from "../../../core/reference/gaussian.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { type Proposal, proposalOfSpectrum, sigmoid } from "../../../core/diffusion/logsnr.ts";
import { createEngine, type Engine } from "../../../core/engine/mod.ts";
import { autoProposal } from "../../../core/reference/choose_reference.ts";
import { createErrorMeter, type ErrorMeter } from "../../../core/evaluation/errors.ts";
import { RunningNll } from "../../../core/evaluation/running_nll.ts";
import { onlyGaussian } from "../../../core/reference/mixture.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { mixtureDenoiser, mixtureNll, sampleMixture } from "../../../denoisers/mixture/mod.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";

const SEEDS = 20;
/** The fewer, the smaller the pilot that an estimate adapts by. */
const samplesIn = (d: number) => d > 2 ? 300 : 200;
const ROUNDS = 8;

/** A distribution whose likelihood is known, with its ideal denoiser. */
interface Truth {
  readonly meter: ErrorMeter;
  readonly proposal: Proposal;
  /** In nats. */
  readonly entropy: number;
  draw(random: Random, count: number): Samples;
  /** −log p(x) of each sample, in nats. */
  nll(samples: Samples): Float64Array;
}

/** How many reported standard errors an estimate is off: of the NLL of its very samples, and of the entropy. */
interface Scores {
  readonly samples: number;
  readonly entropy: number;
}

/** What the task `nll` does, with other samples and noise for each seed. */
async function scoresOf(
  { meter, proposal, entropy, draw, nll }: Truth,
  first: number,
  seeds = SEEDS,
): Promise<Scores[]> {
  const scores: Scores[] = [];
  for (let seed = first; seed < first + seeds; seed++) {
    const random = Random.fromSeed(seed), samples = draw(random.split("samples"), samplesIn(meter.shape[0]));
    const running = new RunningNll(meter, samples, proposal, random.split("nll"));
    await running.adapt();
    for (let round = 0; round < ROUNDS; round++) for await (const _ of running.round());
    const { mean, stderr, noiseStderr } = running.estimate();
    scores.push({
      samples: (mean - meanAndStderr(nll(samples)).mean) / noiseStderr,
      entropy: (mean - entropy) / stderr,
    });
  }
  return scores;
}

/** What is wrong with scores, or nothing: two standard errors, or the scores as a whole. */
function wrongWith(scores: readonly Scores[]): string | undefined {
  for (const key of ["samples", "entropy"] as const) {
    const values = scores.map((score) => score[key]);
    const within = values.filter((z) => Math.abs(z) <= 2).length;
    const mean = values.reduce((sum, z) => sum + z / SEEDS, 0);
    const size = Math.sqrt(values.reduce((sum, z) => sum + z * z / SEEDS, 0));
    // Three standard deviations of each. Errors may be too large where they are a bound: of samples of one likelihood.
    const fits = within >= 19 && Math.abs(mean) < 0.67 && size < 1.47 && (size > 0.53 || key === "entropy");
    if (!fits) return `${key}: ${within} of ${SEEDS} within two errors, mean ${mean}, size ${size}`;
  }
}

/** A mixture, of which a run knows what its training data tells. */
async function mixtureTruth(engine: Engine, k: number, d: number): Promise<Truth> {
  const mixture = randomMixture(Random.fromSeed(d), k, d), random = Random.fromSeed(100);
  const draw = (random: Random, count: number) => floatSamples(sampleMixture(mixture, random, count), d);
  const nll = (samples: Samples) => mixtureNll(samples, mixture);
  const train = draw(random.split("train"), 2000), gaussian = fitGaussian(train);
  const info = { shape: [d], gaussian };
  return {
    meter: await createErrorMeter(
      engine,
      engine.createState({}),
      () => ({}),
      mixtureDenoiser(mixture),
      info,
      2 * samplesIn(d),
    ),
    proposal: await autoProposal(engine, train, random.split("proposal")),
    entropy: k === 1 ? entropy(mixture.components[0]) : meanAndStderr(nll(draw(random.split("entropy"), 20_000))).mean,
    draw,
    nll,
  };
}

/**
 * Two standard errors hold 95 % of normal values, so that fewer than 19 of 20 do by chance in one of four sets of seeds, of
 * either score. These sets, by their first seed, are the first by twenties that do not.
 */
const CASES = [[1, 2, 20], [1, 16, 0], [1, 64, 40], [4, 2, 20], [4, 16, 80], [4, 64, 0]] as const;

for (const [k, d, first] of CASES) {
  const what = k === 1 ? "a Gaussian" : `a mixture of ${k} Gaussians`;
  Deno.test(`the likelihood of ${what} in ${d}-D is within two standard errors in 19 of 20 seeds`, async () => {
    const engine = await createEngine("onnx-cpu", 1);
    const truth = await mixtureTruth(engine, k, d);
    const wrong = wrongWith(await scoresOf(truth, first));
    equal(wrong, undefined);
    await truth.meter.dispose();
    engine.dispose();
  });
}

Deno.test("over forty seeds of each that nobody chose, two standard errors hold as often as they should", async () => {
  const engine = await createEngine("onnx-cpu", 1), seeds = 40;
  const scores: Scores[] = [];
  for (const [k, d] of CASES) {
    const truth = await mixtureTruth(engine, k, d);
    scores.push(...await scoresOf(truth, 0, seeds));
    await truth.meter.dispose();
  }
  const within = (key: keyof Scores) => scores.filter((score) => Math.abs(score[key]) <= 2).length;
  const n = seeds * CASES.length, chance = 0.954;
  ok(within("samples") >= 0.95 * n, `${within("samples")} of ${n}`);
  // That of the entropy is a normal error and no more: 95 in 100, by chance up to 2.4 standard deviations fewer.
  const least = chance * n - 2.4 * Math.sqrt(n * chance * (1 - chance));
  ok(within("entropy") >= least, `${within("entropy")} of ${n}`);
  engine.dispose();
});

/** Half the side of a square of unit variances. */
const HALF = Math.sqrt(3);

/** E[x | y] of y = x + noise of a standard deviation, for x uniform within the square's sides: Simpson's rule. */
function uniformPosteriorMean(y: number, deviation: number): number {
  const nearest = Math.min(HALF, Math.max(-HALF, y));
  const low = Math.max(-HALF, nearest - 8 * deviation), high = Math.min(HALF, nearest + 8 * deviation);
  const steps = 80;
  let total = 0, sum = 0;
  for (let i = 0; i <= steps; i++) {
    const x = low + (high - low) * i / steps;
    const weight = (i % steps === 0 ? 1 : i % 2 ? 4 : 2) *
      Math.exp(((y - nearest) ** 2 - (y - x) ** 2) / (2 * deviation ** 2));
    total += weight;
    sum += weight * x;
  }
  return sum / total;
}

/** The square's uniform. */
const square: Truth = {
  meter: {
    shape: [2],
    reference: onlyGaussian(gaussianOf([0, 0], [1, 0, 0, 1])),
    measure(x, eps, logsnr) {
      const errors = (denoise: (y: number, deviation: number) => number) =>
        Float32Array.from(logsnr, (alpha, i) => {
          const deviation = Math.exp(-alpha / 2);
          return [2 * i, 2 * i + 1].reduce((sum, k) => {
            const y = x[k] + deviation * eps[k];
            return sum + ((x[k] - denoise(y, deviation)) / deviation) ** 2;
          }, 0);
        });
      return Promise.resolve({
        mse: errors(uniformPosteriorMean),
        mseReference: errors((y, deviation) => y * sigmoid(-2 * Math.log(deviation))),
        distance: new Float32Array(logsnr.length),
      });
    },
    dispose() {},
  },
  // At sharp edges the gain falls as the noise does, not as its square: it takes a longer range than other data.
  proposal: { loc: 4, scale: 3 },
  entropy: Math.log(12),
  draw: (random, count) =>
    floatSamples(random.fillUniform(new Float32Array(2 * count)).map((u) => HALF * (2 * u - 1)), 2),
  nll: ({ count }) => new Float64Array(count).fill(Math.log(12)),
};

Deno.test("the likelihood of the square's uniform is within two standard errors in 19 of 20 seeds", async () => {
  const wrong = wrongWith(await scoresOf(square, 0));
  equal(wrong, undefined);
});

Deno.test("a range that is cut off and errors that are too small are found out", async () => {
  const engine = await createEngine("onnx-cpu", 1);
  const truth = await mixtureTruth(engine, 4, 16);
  const scores = await scoresOf(truth, 80);
  const halved = scores.map(({ samples, entropy }) => ({ samples: 2 * samples, entropy: 2 * entropy }));
  const cut = await scoresOf({
    ...truth,
    proposal: proposalOfSpectrum(truth.meter.reference.components[0].eigenvalues),
  }, 80);
  ok(!wrongWith(scores) && wrongWith(halved) && wrongWith(cut));
  await truth.meter.dispose();
  engine.dispose();
});

import type { Gaussian } from "../reference/gaussian.ts";
import { meanAndStderr } from "../diffusion/likelihood.ts";
import { logsnrRange, type Proposal, proposalOfSpectrum } from "../diffusion/logsnr.ts";
import type { Random } from "../random/random.ts";
import { floatSamples, type Samples, toFloat32 } from "../data/samples.ts";
import { fitMixture } from "../reference/fit_mixture.ts";
import { mixturePosteriorMean } from "../reference/mixture_posterior.ts";

/** Training samples that are denoised at most, and others that they are denoised from. */
const QUERIES = 256;
const REFERENCES = 2048;

/** Values that are read, and multiplications that a level may cost the samples' denoiser; in high dimension few samples do. */
const BUDGET = 1 << 20;

/** Multiplications that a mixture's fit may cost, about half a second; in hundreds of dimensions there is none. */
const FIT_BUDGET = 1 << 29;
const FIT_STEPS = 8;

/** Components of the mixtures that are tried, and how many samples per dimension each has to have. */
const COMPONENTS = [2, 4, 8];
const SAMPLES_PER_DIMENSION = 2;

/** Samples whose posterior weight is below the exponential of this are left out. */
const NEGLIGIBLE = -28;

/** A smaller gain over the Gaussian, in nats per unit of log SNR, is none. */
const LEAST_GAIN = 0.01;

/** Nats beyond the last level where structure is seen: finer structure, which the samples do not resolve, has this room. */
const MARGIN = 4;

/** Nats below where the direction of the largest variance is resolved, and above that of the smallest, that are held. */
const AROUND = 3;

/** The highest log SNR that is ever proposed: there the noise is below the rounding of float32 data. */
const MAX_LOGSNR = 16;

/**
 * A proposal from the data alone. The covariance spectrum gives it, widened where it leaves out the directions of the
 * largest or the smallest variance, which hardly count in its mean. That is all that Gaussian data needs. Other data is
 * finer than its covariance shows; there the upper end moves up to where its structure ends.
 *
 * That is found by denoising samples by what other training samples tell: as long as this beats the Gaussian's ideal
 * denoiser, there is structure at that log SNR. In few dimensions the posterior mean over these samples does; in many they
 * are too far apart, and mixtures of Gaussians that are fitted to them show it.
 *
 * @param train The training samples.
 * @param gaussian The training data's Gaussian.
 */
export function autoProposal(train: Samples, gaussian: Gaussian, random: Random): Proposal {
  const spectrum = proposalOfSpectrum(gaussian.eigenvalues);
  const [low, high] = logsnrRange(spectrum);
  const d = train.dimension;
  const count = Math.min(train.count, QUERIES + REFERENCES, Math.max(8, Math.floor(BUDGET / d)));
  const queries = Math.max(2, Math.min(QUERIES, Math.floor(count / 4)));
  const rows = toFloat32(train, 0, count);
  const witnesses = [
    samplesWitness(rows, queries, d),
    ...mixtureWitnesses(rows, queries, gaussian, random.split("mixtures")),
  ];
  let last = -Infinity;
  let missed = 0;
  for (let logsnr = Math.ceil(spectrum.loc); logsnr <= MAX_LOGSNR - MARGIN && missed < 3; logsnr++) {
    const seen = witnesses.some((witness) => gain(rows, witness, gaussian, logsnr, random.split(logsnr)) > LEAST_GAIN);
    if (seen) [last, missed] = [logsnr, 0];
    else missed++;
  }
  const largest = gaussian.eigenvalues.reduce((a, b) => Math.max(a, b));
  const smallest = gaussian.eigenvalues.reduce((a, b) => Math.min(a, b));
  const bottom = Math.min(low, -Math.log(largest) - AROUND);
  const top = Math.max(high, last + MARGIN, Math.min(MAX_LOGSNR, -Math.log(smallest) + AROUND));
  return top > high || bottom < low ? { loc: (bottom + top) / 2, scale: (top - bottom) / 8 } : spectrum;
}

/** A denoiser that is made of training samples. No denoiser has a smaller error than the ideal one, so its gain is real. */
interface Witness {
  /** How many of the first samples it denoises; it knows none of them. */
  readonly queries: number;
  /** E[x | y] of y = x + noise of a variance. */
  denoise(y: Float64Array, variance: number): Float64Array;
}

/** The posterior mean over samples. */
function samplesWitness(rows: Float32Array, most: number, d: number): Witness {
  const queries = Math.max(2, Math.min(most, Math.floor(Math.sqrt(BUDGET / d / 8))));
  const references = Math.min(rows.length / d - most, Math.max(2, Math.floor(BUDGET / d / queries)));
  const distances = new Float64Array(references);
  return {
    queries,
    denoise(y, variance) {
      let nearest = Infinity;
      for (let j = 0; j < references; j++) {
        let distance = 0;
        for (let k = 0, at = (most + j) * d; k < d; k++) distance += (y[k] - rows[at + k]) ** 2;
        distances[j] = distance;
        if (distance < nearest) nearest = distance;
      }
      const posterior = new Float64Array(d);
      let total = 0;
      for (let j = 0; j < references; j++) {
        const exponent = (nearest - distances[j]) / (2 * variance);
        if (exponent < NEGLIGIBLE) continue;
        const weight = Math.exp(exponent);
        total += weight;
        for (let k = 0, at = (most + j) * d; k < d; k++) posterior[k] += weight * rows[at + k];
      }
      return posterior.map((sum) => sum / total);
    },
  };
}

/** The posterior means of mixtures of several sizes, as far as there are samples for them. */
function mixtureWitnesses(rows: Float32Array, queries: number, gaussian: Gaussian, random: Random): Witness[] {
  const d = gaussian.mean.length, available = rows.length / d - queries;
  return COMPONENTS.flatMap((k) => {
    const count = Math.min(available, Math.floor(FIT_BUDGET / (FIT_STEPS * k * d * d)));
    if (count < SAMPLES_PER_DIMENSION * (d + 1) * k) return [];
    const samples = floatSamples(rows.subarray(queries * d, (queries + count) * d), d);
    const mixture = fitMixture(samples, gaussian, k, random.split(k), FIT_STEPS);
    if (mixture.length < 2) return [];
    return [{ queries, denoise: (y: Float64Array, variance: number) => mixturePosteriorMean(y, variance, mixture) }];
  });
}

/**
 * By how much a witness beats the Gaussian's ideal denoiser at a log SNR on the same noise, less two standard errors, in
 * nats per unit of log SNR.
 *
 * @param rows The samples that are denoised are the first of them.
 */
function gain(
  rows: Float32Array,
  { queries, denoise }: Witness,
  gaussian: Gaussian,
  logsnr: number,
  random: Random,
): number {
  const d = gaussian.mean.length, variance = Math.exp(-logsnr), noise = Math.sqrt(variance);
  const alone = [{ logWeight: 0, gaussian }];
  const y = new Float64Array(d);
  const gains = Float64Array.from({ length: queries }, (_, q) => {
    const x = rows.subarray(q * d, (q + 1) * d);
    for (let k = 0; k < d; k++) y[k] = x[k] + noise * random.normal();
    const denoised = denoise(y, variance), linear = mixturePosteriorMean(y, variance, alone);
    let sum = 0;
    for (let k = 0; k < d; k++) sum += (linear[k] - x[k]) ** 2 - (denoised[k] - x[k]) ** 2;
    return 0.5 * sum / variance;
  });
  const { mean, stderr } = meanAndStderr(gains);
  return mean - 2 * stderr;
}

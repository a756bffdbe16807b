import type { Gaussian } from "../diffusion/gaussian.ts";
import { meanAndStderr } from "../diffusion/likelihood.ts";
import { logsnrRange, type Proposal, proposalOfSpectrum } from "../diffusion/logsnr.ts";
import type { Random } from "../random.ts";
import { type Samples, toFloat32 } from "../samples.ts";

/** Training samples that are denoised, and how many others at most they are denoised from. */
const QUERIES = 256;
const REFERENCES = 2048;

/** Multiplications that a level may cost; in high dimension fewer samples have to do. */
const BUDGET = 1 << 20;

/** Samples whose posterior weight is below the exponential of this are left out. */
const NEGLIGIBLE = -28;

/** Beyond the last level where structure is seen, finer structure than the samples resolve has this much room, in nats. */
const MARGIN = 4;

/** The highest log SNR that is ever proposed: there the noise is below the rounding of float32 data. */
const MAX_LOGSNR = 16;

/**
 * A proposal from the data alone. The covariance spectrum gives it, and is all that Gaussian data needs. Other data is
 * finer than its covariance shows; there the upper end moves up to where its structure ends.
 *
 * That is found by denoising samples with the posterior mean over other training samples: as long as this beats the
 * Gaussian's ideal denoiser, there is structure at that log SNR.
 *
 * @param train The training samples.
 * @param gaussian The training data's Gaussian.
 */
export function autoProposal(train: Samples, gaussian: Gaussian, random: Random): Proposal {
  const spectrum = proposalOfSpectrum(gaussian.eigenvalues);
  const [low, high] = logsnrRange(spectrum);
  const sizes = sizesFor(train);
  const rows = toFloat32(train, 0, sizes.queries + sizes.references);
  let last = -Infinity;
  let missed = 0;
  for (let logsnr = Math.ceil(spectrum.loc); logsnr <= MAX_LOGSNR - MARGIN && missed < 3; logsnr++) {
    if (sampleDenoiserGain(rows, sizes, gaussian, logsnr, random.split(logsnr)) > 0) [last, missed] = [logsnr, 0];
    else missed++;
  }
  const top = Math.max(high, last + MARGIN);
  return top > high ? { loc: (low + top) / 2, scale: (top - low) / 8 } : spectrum;
}

interface Sizes {
  readonly queries: number;
  readonly references: number;
}

/** How many samples are denoised, and from how many others, within the budget. */
function sizesFor({ count: n, dimension: d }: Samples): Sizes {
  const queries = Math.max(2, Math.min(QUERIES, Math.floor(n / 4), Math.floor(Math.sqrt(BUDGET / d / 8))));
  const references = Math.min(REFERENCES, n - queries, Math.max(2, Math.floor(BUDGET / d / queries)));
  return { queries, references };
}

/**
 * By how much the posterior mean over samples beats the Gaussian's ideal denoiser at a log SNR on the same noise, less
 * two standard errors; above zero it does so beyond doubt. Relative to the dimension, and at least a hundredth of it.
 *
 * @param train The samples that are denoised, and after them those that they are denoised from, row by row.
 */
function sampleDenoiserGain(
  train: Float32Array,
  { queries, references }: Sizes,
  gaussian: Gaussian,
  logsnr: number,
  random: Random,
): number {
  const d = gaussian.mean.length;
  const noise = Math.exp(-logsnr / 2);
  const y = new Float64Array(d);
  const distances = new Float64Array(references);
  const gains = Float64Array.from({ length: queries }, (_, q) => {
    const x = train.subarray(q * d, (q + 1) * d);
    for (let k = 0; k < d; k++) y[k] = x[k] + noise * random.normal();
    let nearest = Infinity;
    for (let j = 0; j < references; j++) {
      let distance = 0;
      for (let k = 0, at = (queries + j) * d; k < d; k++) distance += (y[k] - train[at + k]) ** 2;
      distances[j] = distance;
      if (distance < nearest) nearest = distance;
    }
    const posterior = new Float64Array(d);
    let total = 0;
    for (let j = 0; j < references; j++) {
      const exponent = (nearest - distances[j]) / (2 * noise * noise);
      if (exponent < NEGLIGIBLE) continue;
      const weight = Math.exp(exponent);
      total += weight;
      for (let k = 0, at = (queries + j) * d; k < d; k++) posterior[k] += weight * train[at + k];
    }
    const linear = gaussianPosteriorMean(y, noise * noise, gaussian);
    let gain = 0;
    for (let k = 0; k < d; k++) gain += (linear[k] - x[k]) ** 2 - (posterior[k] / total - x[k]) ** 2;
    return gain / (noise * noise * d);
  });
  const { mean, stderr } = meanAndStderr(gains);
  return mean - 2 * stderr - 0.01;
}

/** E[x | y] of y = x + noise for x of the Gaussian. */
function gaussianPosteriorMean(y: Float64Array, variance: number, gaussian: Gaussian): Float64Array {
  const { mean, eigenvalues, eigenvectors } = gaussian;
  const d = mean.length;
  const result = mean.slice();
  for (let k = 0; k < d; k++) {
    const shrinkage = eigenvalues[k] / (eigenvalues[k] + variance);
    if (!eigenvectors) {
      result[k] += shrinkage * (y[k] - mean[k]);
      continue;
    }
    let projection = 0;
    for (let i = 0; i < d; i++) projection += eigenvectors[i * d + k] * (y[i] - mean[i]);
    for (let i = 0; i < d; i++) result[i] += shrinkage * projection * eigenvectors[i * d + k];
  }
  return result;
}

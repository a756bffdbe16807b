import { type Gaussian, gaussianMmse } from "../diffusion/gaussian.ts";
import { logsnrRange, type Proposal, proposalOfSpectrum } from "../diffusion/logsnr.ts";
import type { Random } from "../random.ts";

/** Training samples that are denoised, and how many others at most they are denoised from. */
const QUERIES = 128;
const REFERENCES = 2048;

/** Multiplications that a level may cost; in high dimension fewer samples have to do. */
const BUDGET = 1 << 20;

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
 * @param train Samples, row by row.
 * @param gaussian The training data's Gaussian.
 */
export function autoProposal(train: Float32Array, gaussian: Gaussian, random: Random): Proposal {
  const spectrum = proposalOfSpectrum(gaussian.eigenvalues);
  const [low, high] = logsnrRange(spectrum);
  let last = -Infinity;
  let missed = 0;
  for (let logsnr = Math.ceil(spectrum.loc); logsnr <= MAX_LOGSNR - MARGIN && missed < 3; logsnr++) {
    if (sampleDenoiserGain(train, gaussian, logsnr, random.split(logsnr)) > 0) [last, missed] = [logsnr, 0];
    else missed++;
  }
  const top = Math.max(high, last + MARGIN);
  return top > high ? { loc: (low + top) / 2, scale: (top - low) / 8 } : spectrum;
}

/**
 * By how much the posterior mean over samples beats the Gaussian's MMSE at a log SNR, less two standard errors; above
 * zero it does so beyond doubt. Relative to the dimension, and at least a hundredth of it.
 */
function sampleDenoiserGain(train: Float32Array, { mean, eigenvalues }: Gaussian, logsnr: number, random: Random) {
  const d = mean.length;
  const n = train.length / d;
  const queries = Math.max(2, Math.min(QUERIES, Math.floor(n / 4), Math.floor(Math.sqrt(BUDGET / d / 16))));
  const references = Math.min(REFERENCES, n - queries, Math.max(2, Math.floor(BUDGET / d / queries)));
  const noise = Math.exp(-logsnr / 2);
  const y = new Float64Array(d);
  const distances = new Float64Array(references);
  const errors = Float64Array.from({ length: queries }, (_, q) => {
    for (let k = 0; k < d; k++) y[k] = train[q * d + k] + noise * random.normal();
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
      const weight = Math.exp((nearest - distances[j]) / (2 * noise * noise));
      if (weight < 1e-12) continue;
      total += weight;
      for (let k = 0, at = (queries + j) * d; k < d; k++) posterior[k] += weight * train[at + k];
    }
    let error = 0;
    for (let k = 0; k < d; k++) error += (posterior[k] / total - train[q * d + k]) ** 2;
    return error / (noise * noise);
  });
  const average = errors.reduce((sum, e) => sum + e, 0) / queries;
  const variance = errors.reduce((sum, e) => sum + (e - average) ** 2, 0) / (queries - 1);
  const gain = (gaussianMmse(logsnr, eigenvalues) - average - 2 * Math.sqrt(variance / queries)) / d;
  return gain - 0.01;
}

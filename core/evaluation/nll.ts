import { gaussianNll } from "../reference/gaussian.ts";
import { type Estimate, meanAndStderr, nllAgainstGaussian, nllAgainstStandard } from "../diffusion/likelihood.ts";
import { logsnrAtQuantile, logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import type { Random } from "../random/random.ts";
import { type Samples, toFloat32 } from "../data/samples.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";

/**
 * The paired estimate of −log p(x) for each sample, in nats.
 *
 * Each sample gets `levels` log SNRs, one from each of as many strata of the proposal, and within a stratum the
 * samples share it out among themselves. Every noise is used with both signs, which removes the error's odd part.
 *
 * @param levels Log SNRs per sample.
 * @returns One value per sample; their mean estimates the NLL.
 */
export async function nllPerSample(
  meter: ErrorMeter,
  samples: Samples,
  proposal: Proposal,
  random: Random,
  levels: number,
): Promise<Float64Array> {
  const { count: n, dimension: d } = samples;
  const nll = gaussianNll(samples, meter.gaussian);
  const block = evaluationsAtOnce(d) / 2;
  for (let level = 0; level < levels; level++) {
    const order = random.permutation(n);
    for (let begin = 0; begin < n; begin += block) {
      const size = Math.min(n, begin + block) - begin;
      const quantiles = random.fillUniform(new Float64Array(size));
      const logsnr = new Float32Array(2 * size);
      for (let i = 0; i < size; i++) {
        const u = (level + (order[begin + i] + quantiles[i]) / n) / levels;
        logsnr[i] = logsnr[size + i] = logsnrAtQuantile(u, proposal);
      }
      const eps = new Float32Array(2 * size * d);
      random.fillNormal(eps.subarray(0, size * d));
      for (let i = 0; i < size * d; i++) eps[size * d + i] = -eps[i];
      const x = new Float32Array(2 * size * d);
      samples.copy(begin, begin + size, x);
      x.copyWithin(size * d, 0, size * d);
      const { mse, mseGaussian } = await meter.measure(x, eps, logsnr);
      for (let i = 0; i < size; i++) {
        const error = {
          logsnr: logsnr[i],
          weight: logsnrWeight(logsnr[i], proposal),
          mse: (mse[i] + mse[size + i]) / 2,
        };
        nll[begin + i] += nllAgainstGaussian(error, (mseGaussian[i] + mseGaussian[size + i]) / 2, 0) / levels;
      }
    }
  }
  return nll;
}

/**
 * The paired estimate of the data's NLL in nats. Its standard error covers both the noise and the finite number of
 * samples; it takes the samples' values as independent, which their shared strata make slightly too large.
 */
export async function estimateNll(
  meter: ErrorMeter,
  samples: Samples,
  proposal: Proposal,
  random: Random,
  levels: number,
): Promise<Estimate> {
  return meanAndStderr(await nllPerSample(meter, samples, proposal, random, levels));
}

/** The seed's estimate of the NLL in nats: one log SNR per sample, compared with N(0, I) in expectation. */
export async function estimateNllAgainstStandard(
  meter: ErrorMeter,
  samples: Samples,
  proposal: Proposal,
  random: Random,
): Promise<Estimate> {
  const { count: n, dimension: d } = samples;
  const u = random.fillUniform(new Float64Array(n));
  const logsnr = Float32Array.from(u, (quantile) => logsnrAtQuantile(quantile, proposal));
  const nll = new Float64Array(n);
  const block = evaluationsAtOnce(d);
  for (let begin = 0; begin < n; begin += block) {
    const end = Math.min(n, begin + block);
    const eps = random.fillNormal(new Float32Array((end - begin) * d));
    const { mse } = await meter.measure(toFloat32(samples, begin, end), eps, logsnr.subarray(begin, end));
    mse.forEach((error, i) => {
      const alpha = logsnr[begin + i];
      nll[begin + i] = nllAgainstStandard({ logsnr: alpha, weight: logsnrWeight(alpha, proposal), mse: error }, d);
    });
  }
  return meanAndStderr(nll);
}

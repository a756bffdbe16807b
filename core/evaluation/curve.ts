import { gaussianMmse } from "../diffusion/gaussian.ts";
import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import type { Random } from "../random.ts";
import { sizeOf } from "../tensors.ts";
import type { ErrorMeter } from "./errors.ts";

/** The denoiser's squared error over log SNR, beside that of the data's Gaussian. */
export interface MseCurve {
  readonly logsnr: number[];
  readonly mse: number[];
  readonly stderr: number[];
  /** Σ σ(α + log λ). */
  readonly gaussian: number[];
}

/**
 * The mean squared error at evenly spaced log SNRs over the proposal's range. Every level uses the same noise, so that
 * the curve is smooth, and the Gaussian's error on that noise steadies the mean.
 *
 * @param samples Row by row.
 * @param count Number of log SNRs.
 */
export async function mseCurve(
  meter: ErrorMeter,
  samples: Float32Array,
  proposal: Proposal,
  random: Random,
  count: number,
): Promise<MseCurve> {
  const n = samples.length / sizeOf(meter.shape);
  const [low, high] = logsnrRange(proposal);
  const eps = random.fillNormal(new Float32Array(samples.length));
  const curve: MseCurve = { logsnr: [], mse: [], stderr: [], gaussian: [] };
  for (let k = 0; k < count; k++) {
    const logsnr = low + (high - low) * k / (count - 1);
    const expected = gaussianMmse(logsnr, meter.gaussian.eigenvalues);
    const { mse, mseGaussian } = await meter.measure(samples, eps, new Float32Array(n).fill(logsnr));
    let gap = 0;
    let squares = 0;
    for (let i = 0; i < n; i++) gap += (mse[i] - mseGaussian[i]) / n;
    for (let i = 0; i < n; i++) squares += (mse[i] - mseGaussian[i] - gap) ** 2;
    curve.logsnr.push(logsnr);
    curve.mse.push(expected + gap);
    curve.stderr.push(Math.sqrt(squares / Math.max(1, n - 1) / n));
    curve.gaussian.push(expected);
  }
  return curve;
}

/**
 * The proposal that a measured MSE curve suggests, by the seed's rule: its location is where the error is half of the
 * dimension, its scale the distance from there to where it is a quarter. Where the curve does not reach a quarter, three
 * quarters serve; where it does not reach half, nothing is suggested.
 *
 * @param d The dimension.
 */
export function suggestProposal({ logsnr, mse }: MseCurve, d: number): Proposal | undefined {
  const crossing = (level: number): number | undefined => {
    for (let k = 1; k < mse.length; k++) {
      if (mse[k - 1] < level && mse[k] >= level) {
        const t = (level - mse[k - 1]) / (mse[k] - mse[k - 1]);
        return logsnr[k - 1] + t * (logsnr[k] - logsnr[k - 1]);
      }
    }
    return undefined;
  };
  const half = crossing(d / 2);
  if (half === undefined) return undefined;
  const quarter = crossing(d / 4) ?? crossing(3 * d / 4);
  if (quarter === undefined || quarter === half) return undefined;
  return { loc: half, scale: Math.abs(half - quarter) };
}

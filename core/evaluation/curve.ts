import { gaussianMmse } from "../reference/gaussian.ts";
import { requireGaussian } from "../reference/mixture.ts";
import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import type { Random } from "../random/random.ts";
import { conditionOf, type Samples, toFloat32 } from "../data/samples.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";

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
 * the curve is smooth, and the Gaussian's error on that noise steadies the mean, as a control variate.
 *
 * @param meter Compares with one Gaussian.
 * @param count Number of log SNRs.
 */
export async function mseCurve(
  meter: ErrorMeter,
  samples: Samples,
  proposal: Proposal,
  random: Random,
  count: number,
): Promise<MseCurve> {
  const { count: n, dimension: d } = samples;
  const [low, high] = logsnrRange(proposal);
  const logsnr = Array.from({ length: count }, (_, k) => low + (high - low) * k / (count - 1));
  const own = logsnr.map(() => new Float64Array(n)), reference = logsnr.map(() => new Float64Array(n));
  const block = evaluationsAtOnce(d);
  for (let begin = 0; begin < n; begin += block) {
    const end = Math.min(n, begin + block);
    const x = toFloat32(samples, begin, end), condition = conditionOf(samples, begin, end);
    const eps = random.fillNormal(new Float32Array(x.length));
    for (const [k, alpha] of logsnr.entries()) {
      const { mse, mseReference } = await meter.measure(x, eps, new Float32Array(x.length / d).fill(alpha), condition);
      own[k].set(mse, begin);
      reference[k].set(mseReference, begin);
    }
  }
  const { eigenvalues } = requireGaussian(meter.reference);
  const gaussian = logsnr.map((alpha) => gaussianMmse(alpha, eigenvalues));
  const steadied = logsnr.map((_, k) => steadiedMean(own[k], reference[k], gaussian[k]));
  return { logsnr, mse: steadied.map(({ mean }) => mean), stderr: steadied.map(({ stderr }) => stderr), gaussian };
}

/**
 * The mean of values less so much of a control variate's deviation from its known mean as leaves the least variance: all of
 * the Gaussian's error where nearly all is noise, none where the network's is a small part of it.
 */
function steadiedMean(values: Float64Array, control: Float64Array, known: number): Estimate {
  const mean = (of: Float64Array) => of.reduce((sum, value) => sum + value / of.length, 0);
  const [m, c] = [mean(values), mean(control)];
  const spread = control.reduce((sum, value) => sum + (value - c) ** 2, 0);
  const common = control.reduce((sum, value, i) => sum + (value - c) * (values[i] - m), 0);
  const share = spread > 0 ? Math.min(1, Math.max(0, common / spread)) : 1;
  return meanAndStderr(values.map((value, i) => value - share * (control[i] - known)));
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

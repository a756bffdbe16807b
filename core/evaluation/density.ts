import { gaussianNll } from "../diffusion/gaussian.ts";
import { logsnrAtQuantile, logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import type { Random } from "../random.ts";
import { sizeOf } from "../tensors.ts";
import type { ErrorMeter } from "./errors.ts";

/** Evaluations that one call to the meter is given. */
const MAX_EVALUATIONS = 1 << 14;

/** log p at points, and the standard error of each. */
export interface Density {
  /** In nats. */
  readonly logDensity: Float32Array;
  readonly stderr: Float32Array;
}

/**
 * log p(x) at each point, in nats, by the paired estimator over `levels` log SNRs with both signs of the noise.
 *
 * The log SNRs are stratified, one to a stratum. All points share them and their noise, so that the density of
 * neighbours differs by their position alone and a picture of it is smooth.
 *
 * @param points Row by row.
 * @param levels Log SNRs per point; each costs two evaluations of the denoiser.
 */
export async function density(
  meter: ErrorMeter,
  points: Float32Array,
  proposal: Proposal,
  random: Random,
  levels: number,
): Promise<Density> {
  const d = sizeOf(meter.shape);
  const n = points.length / d;
  const quantiles = random.fillUniform(new Float64Array(levels));
  const alpha = Float64Array.from(quantiles, (u, k) => logsnrAtQuantile((k + u) / levels, proposal));
  const noise = random.fillNormal(new Float32Array(levels * d));
  const logDensity = Float32Array.from(gaussianNll(points, meter.gaussian), (nll) => -nll);
  const stderr = new Float32Array(n);
  const perPoint = 2 * levels;
  const block = Math.max(1, Math.floor(MAX_EVALUATIONS / perPoint));
  const x = new Float32Array(block * perPoint * d);
  const eps = new Float32Array(block * perPoint * d);
  const logsnr = new Float32Array(block * perPoint);
  for (let begin = 0; begin < n; begin += block) {
    const size = Math.min(block, n - begin);
    for (let i = 0; i < size; i++) {
      for (let k = 0; k < perPoint; k++) {
        const row = i * perPoint + k;
        const sign = k % 2 === 0 ? 1 : -1;
        logsnr[row] = alpha[k >> 1];
        for (let j = 0; j < d; j++) {
          x[row * d + j] = points[(begin + i) * d + j];
          eps[row * d + j] = sign * noise[(k >> 1) * d + j];
        }
      }
    }
    const rows = size * perPoint;
    const { mse, mseGaussian } = await meter.measure(
      x.subarray(0, rows * d),
      eps.subarray(0, rows * d),
      logsnr.subarray(0, rows),
    );
    for (let i = 0; i < size; i++) {
      const gaps = Float64Array.from({ length: levels }, (_, k) => {
        const row = i * perPoint + 2 * k;
        const gap = mse[row] - mseGaussian[row] + mse[row + 1] - mseGaussian[row + 1];
        return 0.25 * logsnrWeight(alpha[k], proposal) * gap;
      });
      logDensity[begin + i] -= gaps.reduce((sum, gap) => sum + gap, 0) / levels;
      stderr[begin + i] = stratifiedStderr(gaps);
    }
  }
  return { logDensity, stderr };
}

/**
 * The standard error of a mean over strata with one value each, from the differences between neighbouring strata. It
 * counts the integrand's own change from stratum to stratum as error and is therefore on the safe side.
 */
function stratifiedStderr(values: Float64Array): number {
  let squares = 0;
  for (let k = 1; k < values.length; k++) squares += (values[k] - values[k - 1]) ** 2 / 2;
  return Math.sqrt(squares / Math.max(1, values.length - 1) / values.length);
}

/**
 * The points of a square grid over [−extent, extent]².
 *
 * @returns `[side·side, 2]`; x₁ runs fastest and both ascend.
 */
export function gridPoints(side: number, extent: number): Float32Array {
  const at = (i: number) => -extent + 2 * extent * i / (side - 1);
  return Float32Array.from({ length: 2 * side * side }, (_, i) => {
    const cell = i >> 1;
    return at(i % 2 === 0 ? cell % side : Math.floor(cell / side));
  });
}

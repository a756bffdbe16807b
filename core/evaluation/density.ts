import { mixtureNll } from "../reference/mixture.ts";
import { logsnrAtQuantile, logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import type { Random } from "../random/random.ts";
import { conditionOf, type Samples, toFloat32 } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";

/** Evaluations that one call to the meter is given. */
const MAX_EVALUATIONS = 1 << 14;

/** In more dimensions a few points of a lattice are no better spread than independent ones. */
const MAX_SPREAD_DIMENSION = 8;

/** The log SNRs that an estimate uses, as quantiles of the proposal, and the noise at each, `[levels, d]`. */
interface Design {
  readonly quantiles: Float64Array;
  readonly noise: Float32Array;
}

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
 * @param samples The points, with what is known of each.
 * @param levels Log SNRs per point; each costs two evaluations of the denoiser.
 */
export async function density(
  meter: ErrorMeter,
  samples: Samples,
  proposal: Proposal,
  random: Random,
  levels: number,
): Promise<Density> {
  const d = sizeOf(meter.shape), n = samples.count, points = toFloat32(samples), given = conditionOf(samples, 0, n);
  const width = given ? given.length / n : 0;
  const { quantiles, noise } = d <= MAX_SPREAD_DIMENSION ? spread(random, levels, d) : stratified(random, levels, d);
  const alpha = quantiles.map((u) => logsnrAtQuantile(u, proposal));
  const logDensity = Float32Array.from(mixtureNll(samples, meter.reference), (nll) => -nll);
  const stderr = new Float32Array(n);
  const perPoint = 2 * levels;
  const block = Math.max(1, Math.floor(Math.min(MAX_EVALUATIONS, evaluationsAtOnce(d)) / perPoint));
  const x = new Float32Array(block * perPoint * d);
  const eps = new Float32Array(block * perPoint * d);
  const logsnr = new Float32Array(block * perPoint);
  const condition = given && new Float32Array(block * perPoint * width);
  for (let begin = 0; begin < n; begin += block) {
    const size = Math.min(block, n - begin);
    for (let i = 0; i < size; i++) {
      for (let k = 0; k < perPoint; k++) {
        const row = i * perPoint + k;
        const sign = k % 2 === 0 ? 1 : -1;
        logsnr[row] = alpha[k >> 1];
        condition?.set(given!.subarray((begin + i) * width, (begin + i + 1) * width), row * width);
        for (let j = 0; j < d; j++) {
          x[row * d + j] = points[(begin + i) * d + j];
          eps[row * d + j] = sign * noise[(k >> 1) * d + j];
        }
      }
    }
    const rows = size * perPoint;
    const { mse, mseReference } = await meter.measure(
      x.subarray(0, rows * d),
      eps.subarray(0, rows * d),
      logsnr.subarray(0, rows),
      condition?.subarray(0, rows * width),
    );
    for (let i = 0; i < size; i++) {
      const gaps = Float64Array.from({ length: levels }, (_, k) => {
        const row = i * perPoint + 2 * k;
        const gap = mse[row] - mseReference[row] + mse[row + 1] - mseReference[row + 1];
        return 0.25 * logsnrWeight(alpha[k], proposal) * gap;
      });
      logDensity[begin + i] -= gaps.reduce((sum, gap) => sum + gap, 0) / levels;
      stderr[begin + i] = stratifiedStderr(gaps);
    }
  }
  return { logDensity, stderr };
}

/** Log SNR quantiles, one to a stratum, with independent noise for each. */
function stratified(random: Random, levels: number, d: number): Design {
  const quantiles = random.fillUniform(new Float64Array(levels)).map((u, k) => (k + u) / levels);
  return { quantiles, noise: random.fillNormal(new Float32Array(levels * d)) };
}

/**
 * Log SNR quantiles and noise that are spread evenly over their joint distribution: a lattice with generalised golden
 * ratios (M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018), shifted at random so that the
 * estimate has no bias, and made normal by Box–Muller. Half of the directions suffice, as the noise is used with both
 * signs.
 */
function spread(random: Random, levels: number, d: number): Design {
  const pairs = Math.ceil(d / 2);
  let ratio = 2;
  for (let i = 0; i < 64; i++) ratio = (1 + ratio) ** (1 / (2 * pairs + 1));
  const shift = random.fillUniform(new Float64Array(1 + 2 * pairs));
  const quantiles = new Float64Array(levels);
  const noise = new Float32Array(levels * d);
  for (let k = 0; k < levels; k++) {
    quantiles[k] = (k + shift[0]) / levels;
    for (let pair = 0; pair < pairs; pair++) {
      const [u, v] = [2 * pair + 1, 2 * pair + 2].map((j) => (shift[j] + k * ratio ** -j) % 1);
      const radius = Math.sqrt(-2 * Math.log(1 - u));
      const angle = (pair === 0 ? 1 : 2) * Math.PI * v;
      const at = k * d + 2 * pair;
      noise[at] = radius * Math.cos(angle);
      if (2 * pair + 1 < d) noise[at + 1] = radius * Math.sin(angle);
    }
  }
  return { quantiles, noise };
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

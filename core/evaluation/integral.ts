import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { UserError } from "../errors/user_error.ts";
import type { Random } from "../random/random.ts";
import { floatSamples } from "../data/samples.ts";
import { dimensionOf, type GaussianMixture, mixtureNll, sampleMixture } from "../reference/mixture.ts";
import type { ErrorMeter } from "./errors.ts";
import { nllPerSample } from "./nll.ts";

/** Points where their number is left open. */
const POINTS = 8192;

/** Log SNRs for each of a point's two estimates at first, and at most: doubled until the noise is small enough. */
const LEVELS = 8;
const MAX_LEVELS = 128;

/** The noise of log p̂, as a variance, that its correction is exact enough for. */
const SMALL_VARIANCE = 0.02;

/** The part of the points that are drawn from a wider mixture, and how many times wider it is. */
const WIDER_PART = 0.15;
const WIDER = 3;

/** A density that is nowhere near what it is integrated by. */
export class IntegralError extends UserError {}

/** What a density integrates to, and by what that was found. */
export interface Integral extends Estimate {
  readonly points: number;
  /** Log SNRs for each point. */
  readonly levels: number;
  /** The part of the points that would do as well if all weighed the same: small where the mixture is far from the density. */
  readonly efficiency: number;
}

/**
 * ∫ p̂(x) dx of the density that a denoiser implies, log p̂(x) by the paired estimator: 1 for the ideal denoiser of some
 * data, near 1 for a trained one, which is no exact score. By importance sampling from a mixture near the density, a part
 * of it widened so that nothing is missed, with noise of its own for every point. E[exp(noise)] is above 1 by half of the
 * noise's variance, which two estimates of each point tell and which is taken off.
 *
 * @param near Near the density, such as a fitted reference.
 * @throws {IntegralError} When log p̂ comes out as no finite number.
 */
export async function integralOf(
  meter: ErrorMeter,
  near: GaussianMixture,
  proposal: Proposal,
  random: Random,
  { points = POINTS }: { readonly points?: number } = {},
): Promise<Integral> {
  const wide = widened(near);
  const x = floatSamples(sampleMixture(wide, random.split("points"), points), dimensionOf(near));
  const logs = mixtureNll(x, wide);
  for (let levels = LEVELS;; levels *= 2) {
    const first = await nllPerSample(meter, x, proposal, random.split(levels).split(0), levels);
    const second = await nllPerSample(meter, x, proposal, random.split(levels).split(1), levels);
    const variance = first.map((nll, i) => (nll - second[i]) ** 2 / 4);
    const ratios = logs.map((log, i) => Math.exp(log - (first[i] + second[i]) / 2 - variance[i] / 2));
    const total = ratios.reduce((sum, ratio) => sum + ratio, 0);
    if (!Number.isFinite(total)) {
      throw new IntegralError(
        "The density came out as no finite number where it is integrated: the model has diverged. Use an earlier checkpoint.",
      );
    }
    const noise = ratios.reduce((sum, ratio, i) => sum + ratio / total * variance[i], 0);
    if (noise > SMALL_VARIANCE && levels < MAX_LEVELS) continue;
    const squares = ratios.reduce((sum, ratio) => sum + ratio ** 2, 0);
    return { ...meanAndStderr(ratios), points, levels: 2 * levels, efficiency: total ** 2 / squares / points };
  }
}

/** The mixture with a part of its mass in components that are wider. */
function widened({ weights, components, ...rest }: GaussianMixture): GaussianMixture {
  const wide = components.map((gaussian) => ({
    ...gaussian,
    eigenvalues: gaussian.eigenvalues.map((l) => WIDER ** 2 * l),
  }));
  return {
    ...rest,
    weights: Float64Array.from([...weights.map((w) => (1 - WIDER_PART) * w), ...weights.map((w) => WIDER_PART * w)]),
    components: [...components, ...wide],
  };
}

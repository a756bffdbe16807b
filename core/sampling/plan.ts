import type { Proposal } from "../diffusion/logsnr.ts";
import { type SamplerName, samplingGrid, type SamplingPlan, samplingSteps } from "../diffusion/sampling.ts";
import { UsageError } from "../errors/usage_error.ts";

/** How samples are drawn. */
export interface SamplingOptions {
  /** `ode` is the probability flow by DPM-Solver++(2M), the default; `ancestral` is DDPM's. */
  readonly sampler?: SamplerName;
  /** Evaluations of the denoiser per sample, 100 if left out. */
  readonly steps?: number;
  /** Fresh noise of `ddim`, from 0 for none, the default, to 1 for ancestral. */
  readonly eta?: number | undefined;
  /** Whether estimates are kept in the data's range; yes where it has one, but not for `ode`. */
  readonly clip?: boolean | undefined;
}

/**
 * The grid of log SNRs and the steps of a sampler.
 *
 * @param range Of the data, where it has one.
 * @throws {UsageError} When an option is not for the sampler or the data.
 */
export function samplingPlan(
  { sampler = "ode", steps = 100, eta, clip }: SamplingOptions,
  proposal: Proposal,
  range: readonly [number, number] | undefined,
): SamplingPlan {
  if (eta !== undefined && sampler !== "ddim") {
    throw new UsageError(`--eta is for --sampler ddim, but the sampler is ${sampler}. Leave it out.`);
  }
  if (clip && !range) throw new UsageError("--clip is on, but this data has no range. Leave it out.");
  const logsnr = samplingGrid(sampler, proposal, steps);
  const clips = clip ?? (range !== undefined && sampler !== "ode");
  return { logsnr, steps: samplingSteps(sampler, logsnr, eta), ...(clips && range ? { range } : {}) };
}

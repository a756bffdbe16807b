import type { Proposal } from "../diffusion/logsnr.ts";
import { type SamplerName, samplingGrid, type SamplingPlan, samplingSteps } from "../diffusion/sampling.ts";
import type { DataFacts } from "../plugins/contracts.ts";
import { UsageError } from "../errors/usage_error.ts";

/** How samples are drawn. */
export interface SamplingOptions {
  /**
   * `ode` is the probability flow by DPM-Solver++(2M), the default for images; `ancestral` is DDPM's, the default for points,
   * of which it leaves fewer between the parts of a density.
   */
  readonly sampler?: SamplerName | undefined;
  /** Evaluations of the denoiser per sample: if left out 100 for `ode`, which is of second order, 250 for the others. */
  readonly steps?: number | undefined;
  /** Fresh noise of `ddim`, from 0 for none, the default, to 1 for ancestral. */
  readonly eta?: number | undefined;
  /** Whether estimates are kept in the data's range; yes where it has one, but not for `ode`. */
  readonly clip?: boolean | undefined;
}

/** The sampler of samples of a shape, and its number of steps, with what was left open decided. */
export function samplerOf(
  { sampler, steps }: Pick<SamplingOptions, "sampler" | "steps">,
  shape: readonly number[],
): { readonly sampler: SamplerName; readonly steps: number } {
  const chosen = sampler ?? (shape.length === 1 ? "ancestral" : "ode");
  return { sampler: chosen, steps: steps ?? (chosen === "ode" ? 100 : 250) };
}

/**
 * The grid of log SNRs and the steps of a sampler.
 *
 * @param data The shape of a sample, and the data's range where it has one.
 * @throws {UsageError} When an option is not for the sampler or the data.
 */
export function samplingPlan(
  options: SamplingOptions,
  proposal: Proposal,
  { shape, range }: Pick<DataFacts, "shape" | "range">,
): SamplingPlan {
  const { eta, clip } = options, { sampler, steps } = samplerOf(options, shape);
  if (eta !== undefined && sampler !== "ddim") {
    throw new UsageError(`--eta is for --sampler ddim, but the sampler is ${sampler}. Leave it out.`);
  }
  if (clip && !range) throw new UsageError("--clip is on, but this data has no range. Leave it out.");
  const logsnr = samplingGrid(sampler, proposal, steps);
  const clips = clip ?? (range !== undefined && sampler !== "ode");
  return { logsnr, steps: samplingSteps(sampler, logsnr, eta), ...(clips && range ? { range } : {}) };
}

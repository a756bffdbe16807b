import type { SamplerName, SamplingPlan } from "../diffusion/sampling.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { UsageError } from "../errors/usage_error.ts";
import type { DataFacts } from "../plugins/contracts.ts";
import type { Inpainting, InpaintingMethod } from "./inpainting.ts";
import { samplingPlan } from "./plan.ts";

/**
 * Where nothing is asked for: how often a stretch of steps is walked, its length, steps, how often a sample is filled in, and
 * draws at a time.
 */
export const INPAINTING = {
  resample: { repaint: 10, score: 5 },
  jump: 10,
  steps: 100,
  draws: 5,
  batch: 16,
} as const;

/** The samplers whose steps may be walked again. */
export const WALKABLE = ["ancestral", "ddim"] as const satisfies readonly SamplerName[];

/** How samples are filled in, as far as it is said. */
export interface InpaintingOptions {
  /** `repaint`, if left out, puts what is known in its place at each step; `score` moves the estimate to it, by its gradient. */
  readonly method?: InpaintingMethod | undefined;
  /** How often each stretch of steps is walked, so that what is filled in comes to fit: 10 of `repaint`, 5 of `score`. */
  readonly resample?: number | undefined;
  /** The steps of a stretch, 10 or fewer of few steps, if left out. */
  readonly jump?: number | undefined;
  /** Of `score`: gradients of a step, 1 if left out. */
  readonly iterations?: number | undefined;
  /** `ancestral`, if left out, or `ddim` without fresh noise. */
  readonly sampler?: "ancestral" | "ddim" | undefined;
  /** Log SNRs that the denoiser is evaluated at, 100 if left out. */
  readonly steps?: number | undefined;
  /** Whether estimates are kept in the data's range; yes where it has one, if left out. */
  readonly clip?: boolean | undefined;
}

/** How samples are filled in, and its steps. @throws {UsageError} For options that do not go together, or with the data. */
export function inpaintingPlan(
  options: InpaintingOptions,
  proposal: Proposal,
  data: Pick<DataFacts, "shape" | "range">,
): { readonly how: Inpainting; readonly plan: SamplingPlan } {
  const { sampler = "ancestral", steps = INPAINTING.steps, clip } = options, how = inpaintingOf({ ...options, steps });
  return { how, plan: samplingPlan({ sampler, steps, eta: undefined, clip }, proposal, data) };
}

function inpaintingOf(
  { method = "repaint", iterations, resample = INPAINTING.resample[method], jump, steps }: InpaintingOptions & {
    readonly steps: number;
  },
): Inpainting {
  if (jump !== undefined && jump >= steps) {
    throw new UsageError(`--jump is ${jump}, expected fewer than the ${steps} steps.`);
  }
  const walk = { resample, jump: jump ?? Math.min(INPAINTING.jump, Math.max(1, Math.floor(steps / 5))) };
  if (method === "score") return { method, iterations: iterations ?? 1, ...walk };
  if (iterations === undefined) return { method, ...walk };
  throw new UsageError(
    `--iterations is ${iterations}, but --method is ${method}, which takes no gradients. Leave it out.`,
  );
}

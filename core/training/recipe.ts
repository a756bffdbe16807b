import type { Proposal } from "../diffusion/logsnr.ts";

/** How a run trains and validates. */
export interface Recipe {
  /** The learning rate over the run: constant, or falling to zero along half a cosine. */
  readonly decay: "constant" | "cosine";
  /** The decay of the average of the weights that is evaluated and saved; none evaluates the weights themselves. */
  readonly ema?: number;
  /** Adam's β₂, PyTorch's 0.999 if left out. */
  readonly beta2?: number;
  /** Steps over which the learning rate rises from nothing; none if left out. */
  readonly warmup?: number;
  /** What the denoiser's error is compared with: the data's Gaussian on the same noise, or N(0, I) in expectation. */
  readonly estimator: "paired" | "standard";
}

/** Recipes by name, with the log SNR proposal that each takes where none is given. */
export const RECIPES = {
  default: {
    decay: "cosine",
    ema: 0.999,
    estimator: "paired",
    proposal: "auto",
    optimiser: { beta2: 0.99, warmup: 200 },
  },
  /** The seed's training and validation exactly. */
  seed: { decay: "constant", estimator: "standard", proposal: { loc: 0, scale: 3 }, optimiser: {} },
} as const satisfies Record<
  string,
  Recipe & { proposal: Proposal | "auto"; optimiser: Pick<Recipe, "beta2" | "warmup"> }
>;

/** The learning rate of a step. @param step From 1 to `steps`. */
export function learningRateAt(recipe: Recipe, learningRate: number, step: number, steps: number): number {
  const { decay, warmup = 0 } = recipe;
  const risen = learningRate * Math.min(1, step / (warmup + 1));
  return decay === "constant" ? risen : risen * 0.5 * (1 + Math.cos(Math.PI * (step - 1) / steps));
}

/** The share of the new weights in their average at a step, from 1; large at first, so that the start is forgotten. */
export function averagingShare(ema: number, step: number): number {
  return 1 - Math.min(ema, (1 + step) / (10 + step));
}

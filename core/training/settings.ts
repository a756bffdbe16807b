import type { Proposal } from "../diffusion/logsnr.ts";
import type { Precision } from "../engine/program.ts";
import type { Recipe } from "./recipe.ts";

/** What a training run is made of. */
export interface TrainingSettings {
  readonly recipe: Recipe;
  readonly proposal: Proposal;
  /** Whether log SNRs are drawn more often where the loss scatters, as measured in the epochs before. */
  readonly adaptiveProposal: boolean;
  readonly epochs: number;
  /** Samples per step. The last partial batch of an epoch is left out. */
  readonly batchSize: number;
  /** Samples whose gradient is computed at once; memory is that of so many activations. */
  readonly microBatchSize: number;
  /** Arithmetic of the gradient's products. Likelihoods and samples are computed in float32 whatever it is. */
  readonly precision: Precision;
  /** Whether the backward pass computes again what residual blocks would keep for it; not, if left out. */
  readonly checkpointing?: boolean;
  readonly learningRate: number;
  /** Samples per run of the denoiser in evaluations. */
  readonly evalBatchSize: number;
  /** Epochs from one validation to the next; the last epoch is validated too. 1 if left out. */
  readonly validateEvery?: number;
  /** Log SNRs per sample in a validation by the paired estimator. */
  readonly validationLevels: number;
  /** Samples that a validation measures at most, always the same ones. */
  readonly validationSamples: number;
  /** Whether the model is the denoiser blended with the reference, by the validation samples. */
  readonly blend: boolean;
  /** Training ends once for so many epochs neither the model nor the denoiser by itself was better than before. */
  readonly patience: number;
  /** How often a training step is not told what is known of a sample, of data with a condition; 0 if left out. */
  readonly dropCondition?: number;
  /** Whether half of the pictures, drawn anew in each epoch, are mirrored left for right in training; not, if left out. */
  readonly flip?: boolean;
}

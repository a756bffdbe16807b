import type * as tf from "@tensorflow/tfjs";
import type { Denoiser } from "./contracts.ts";
import type { Random } from "../random/random.ts";
import type { HostTensors, ParameterShapes } from "../data/tensors.ts";

/** A denoiser that is told something about every sample, as ε̂(z, α | y). */
export interface ConditionalDenoiser {
  /** As {@linkcode Denoiser.shapes}. */
  readonly shapes?: ParameterShapes;
  /** Initial parameters, as {@linkcode Denoiser.init} gives them. */
  init(random: Random): HostTensors;
  /**
   * The denoiser of a batch, given what is known of its samples.
   *
   * @param condition y, `[batch, …]`: one row for each row of the z that the denoiser is given.
   */
  given(condition: tf.Tensor): Denoiser;
}

/** A denoiser that is told nothing. */
export function unconditional(denoiser: Denoiser): ConditionalDenoiser {
  return { init: (random) => denoiser.init(random), given: () => denoiser };
}

import type * as tf from "@tensorflow/tfjs";
import { EngineError } from "../engine/program.ts";
import type { Denoiser } from "./contracts.ts";

/** A denoiser's prediction, checked: a wrong shape would broadcast into a wrong likelihood. */
export function predict(
  denoiser: Denoiser,
  params: Record<string, tf.Tensor>,
  z: tf.Tensor,
  logsnr: tf.Tensor,
  condition?: tf.Tensor,
): tf.Tensor {
  return checked(denoiser.predict(params, z, logsnr as tf.Tensor1D, condition), z);
}

/** The same in training. @param draws Of a denoiser that takes some. */
export function predictInTraining(
  denoiser: Denoiser,
  params: Record<string, tf.Tensor>,
  z: tf.Tensor,
  logsnr: tf.Tensor,
  draws: tf.Tensor | undefined,
  condition?: tf.Tensor,
): tf.Tensor {
  if (!denoiser.training || !draws) return predict(denoiser, params, z, logsnr, condition);
  return checked(denoiser.training.predict(params, z, logsnr as tf.Tensor1D, draws, condition), z);
}

function checked(epsHat: tf.Tensor, z: tf.Tensor): tf.Tensor {
  const got = (epsHat as { shape?: readonly number[] } | undefined)?.shape;
  if (got?.join() !== z.shape.join()) {
    throw new EngineError(
      `The denoiser's predict returned ${got ? `shape [${got}]` : "no tensor"} for z of shape [${z.shape}]; ` +
        "it must return ε̂ of the shape of z.",
    );
  }
  return epsHat;
}

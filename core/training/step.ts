import * as tf from "@tensorflow/tfjs";
import { noisyChannel, squaredError } from "../diffusion/channel.ts";
import { type Gaussian, gaussianDenoiser } from "../diffusion/gaussian.ts";
import { gradients } from "../engine/gradients.ts";
import { EngineError, type Program } from "../engine/program.ts";
import type { Denoiser } from "../plugins.ts";
import { adam } from "./adam.ts";
import { flattenTensors, type ParameterLayout, unflattenTensor } from "./parameters.ts";
import type { Recipe } from "./recipe.ts";

/** The entries of a training's state. */
export const PARAMS = "params";
export const EMA = "ema";
export const MOMENTS = ["adam.m", "adam.v"] as const;

/** Names and shapes of a training step's inputs. */
export function stepInputs(batch: number, shape: readonly number[]): Record<string, readonly number[]> {
  return {
    x: [batch, ...shape],
    eps: [batch, ...shape],
    logsnr: [batch],
    weight: [batch],
    rootScale: [],
    offset: [],
  };
}

/**
 * One training step: the gradient of ½·mean(w·‖ε − ε̂‖²), which is that of the NLL whatever the error is compared with,
 * and Adam. Its output is each sample's squared error and, with the paired estimator,
 * that of the data's Gaussian on the same noise.
 */
export function trainingStep(denoiser: Denoiser, layout: ParameterLayout, recipe: Recipe, gaussian: Gaussian): Program {
  return (state, { x, eps, logsnr, weight, rootScale, offset }) => {
    const z = noisyChannel(x, eps, logsnr);
    const { gradients: grads, aux } = gradients((params) => {
      const mse = squaredError(eps, predict(denoiser, params, z, logsnr));
      return { loss: tf.mul(tf.mean(tf.mul(weight, mse)), 0.5), aux: { mse } };
    }, unflattenTensor(layout, state[PARAMS]));
    const [m, v] = MOMENTS;
    const next = adam(
      { params: state[PARAMS], m: state[m], v: state[v] },
      flattenTensors(layout, grads),
      rootScale,
      offset,
    );
    const baseline = recipe.estimator === "standard"
      ? {}
      : { mseGaussian: squaredError(eps, gaussianDenoiser(z, logsnr, gaussian)) };
    return {
      outputs: { mse: aux.mse, ...baseline },
      state: { [PARAMS]: next.params, [m]: next.m, [v]: next.v },
    };
  };
}

/** Takes the weights into their average, e ← e + share·(w − e). */
export const averagingStep: Program = (state, { share }) => ({
  outputs: {},
  state: { [EMA]: tf.add(state[EMA], tf.mul(tf.sub(state[PARAMS], state[EMA]), share)) },
});

/** A denoiser's prediction, checked: a wrong shape would broadcast into a wrong likelihood. */
export function predict(
  denoiser: Denoiser,
  params: Record<string, tf.Tensor>,
  z: tf.Tensor,
  logsnr: tf.Tensor,
): tf.Tensor {
  const epsHat = denoiser.predict(params, z, logsnr as tf.Tensor1D);
  const got = (epsHat as { shape?: readonly number[] } | undefined)?.shape;
  if (got?.join() !== z.shape.join()) {
    throw new EngineError(
      `The denoiser's predict returned ${got ? `shape [${got}]` : "no tensor"} for z of shape [${z.shape}]; ` +
        "it must return ε̂ of the shape of z.",
    );
  }
  return epsHat;
}

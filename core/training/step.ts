import * as tf from "@tensorflow/tfjs";
import { noisyChannel, squaredError } from "../diffusion/channel.ts";
import { gradients } from "../engine/gradients.ts";
import { type Precision, type Program, separable, type Tensors } from "../engine/program.ts";
import { type DataInfo, type Denoiser, knownValues } from "../plugins/contracts.ts";
import { predictInTraining } from "../plugins/predict.ts";
import { adam, BETA1, BETA2 } from "./adam.ts";
import { flattenTensors, type ParameterLayout, unflattenTensor } from "./parameters.ts";
import type { GaussianMixture } from "../reference/mixture.ts";
import { mixturePrediction } from "../reference/mixture_prediction.ts";
import type { Recipe } from "./recipe.ts";

/** The entries of a training's state. All are vectors over the parameters. */
export const PARAMS = "params";
export const GRADIENT = "gradient";
/** The gradient of a part of the batch, where a batch is taken in parts. */
export const PARTIAL_GRADIENT = "gradient.partial";
export const EMA = "ema";
export const MOMENTS = ["adam.m", "adam.v"] as const;

/**
 * Names and shapes of a gradient's inputs. With float16 there is the loss scale besides, a scalar.
 *
 * @param condition Values of what is known of a sample; 0 of data without a condition.
 * @param draws Whole numbers of chance that a sample takes; 0 of a denoiser that takes none.
 */
export function gradientInputs(
  batch: number,
  shape: readonly number[],
  precision: Precision = "f32",
  condition = 0,
  draws = 0,
): Record<string, readonly number[]> {
  const inputs = {
    ...{ x: [batch, ...shape], eps: [batch, ...shape], logsnr: [batch], weight: [batch] },
    ...(condition > 0 ? { condition: [batch, condition] } : {}),
    ...(draws > 0 ? { draws: [batch, draws] } : {}),
  };
  return precision === "f16" ? { ...inputs, lossScale: [] } : inputs;
}

/**
 * The gradient of ½·mean(w·‖ε − ε̂‖²), which is that of the NLL whatever the error is compared with. Its output is each
 * sample's squared error and, with the paired estimator, that of the reference on the same noise.
 *
 * Float16 ends at 65504 and below 6e-8, so with it the loss is scaled for the backward pass and the gradient scaled back
 * (P. Micikevicius et al., arXiv 1710.03740). A further output, `overflow`, is then 0, or not a number where the scaled
 * gradient was too large.
 *
 * @param target The entry of the state that the gradient goes to.
 */
export function gradientStep(
  denoiser: Denoiser,
  layout: ParameterLayout,
  recipe: Recipe,
  reference: GaussianMixture,
  data: Pick<DataInfo, "shape" | "condition" | "gaps">,
  target: typeof GRADIENT | typeof PARTIAL_GRADIENT = GRADIENT,
): Program {
  const predictReference = mixturePrediction(reference);
  const program: Program = (state, { x, eps, logsnr, weight, lossScale, condition, draws }) => {
    const known = knownValues(data, condition), whole = noisyChannel(x, eps, logsnr);
    const z = known ? tf.mul(whole, known) : whole;
    const { gradients: grads, aux } = gradients((params) => {
      const mse = squaredError(eps, predictInTraining(denoiser, params, z, logsnr, draws, condition), known);
      const loss = tf.mul(tf.mean(tf.mul(weight, mse)), 0.5) as tf.Scalar;
      return { loss: lossScale ? tf.mul(loss, lossScale) : loss, aux: { mse } };
    }, unflattenTensor(layout, state[PARAMS]));
    const scaled = flattenTensors(layout, grads);
    const gradient = lossScale ? tf.div(scaled, lossScale) : scaled;
    const overflow = lossScale ? { overflow: tf.sum(tf.mul(gradient, 0)) } : {};
    const baseline = recipe.estimator === "standard"
      ? {}
      : { mseReference: squaredError(eps, predictReference(z, logsnr, condition), known) };
    return { outputs: { mse: aux.mse, ...baseline, ...overflow }, state: { [target]: gradient } };
  };
  return separable(program);
}

/** Adds a part's gradient to the batch's, g ← keep·g + part; `keep` is 0 for the first part and 1 for the others. */
export const accumulationStep: Program = Object.assign(
  (state: Tensors, { keep }: Tensors) => ({
    outputs: {},
    state: { [GRADIENT]: tf.add(tf.mul(state[GRADIENT], keep), state[PARTIAL_GRADIENT]) },
  }),
  { kernel: { name: "accumulate", entries: [GRADIENT, PARTIAL_GRADIENT], constants: [], inputs: ["keep"] } } as const,
);

/** Takes a step of Adam along the gradient. Its inputs are those of {@linkcode adamSchedule}. @param beta2 β₂. */
export function optimiserStep(beta2 = BETA2): Program {
  return Object.assign(
    (state: Tensors, { rootScale, offset }: Tensors) => {
      const [m, v] = MOMENTS;
      const before = { params: state[PARAMS], m: state[m], v: state[v] };
      const next = adam(before, state[GRADIENT], rootScale, offset, beta2);
      return { outputs: {}, state: { [PARAMS]: next.params, [m]: next.m, [v]: next.v } };
    },
    {
      kernel: {
        name: "adam",
        entries: [PARAMS, ...MOMENTS, GRADIENT],
        constants: [BETA1, beta2],
        inputs: ["rootScale", "offset"],
      },
    } as const,
  );
}

/** Takes the weights into their average, e ← e + share·(w − e). */
export const averagingStep: Program = Object.assign(
  (state: Tensors, { share }: Tensors) => ({
    outputs: {},
    state: { [EMA]: tf.add(state[EMA], tf.mul(tf.sub(state[PARAMS], state[EMA]), share)) },
  }),
  { kernel: { name: "average", entries: [EMA, PARAMS], constants: [], inputs: ["share"] } } as const,
);

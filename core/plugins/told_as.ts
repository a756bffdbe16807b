import * as tf from "@tensorflow/tfjs";
import { type Condition, conditionWidth } from "../data/condition.ts";
import { conditionMap } from "../data/condition_map.ts";
import type { Denoiser } from "./contracts.ts";
import { predict } from "./predict.ts";

/**
 * A denoiser that is told what another model's condition says, as far as its own has it.
 *
 * @param own The condition that it was trained with; it is told nothing where there is none.
 * @param said That of what it is given.
 */
export function toldAs(denoiser: Denoiser, own: Condition | undefined, said: Condition | undefined): Denoiser {
  if (JSON.stringify(own) === JSON.stringify(said)) return denoiser;
  const sizes: [number, number] | undefined = own && said && [conditionWidth(said), conditionWidth(own)];
  const map = sizes && conditionMap(said!, own!);
  return {
    ...denoiser,
    predict(params, z, logsnr, condition) {
      const told = map && condition && tf.matMul(condition as tf.Tensor2D, tf.tensor2d(map, sizes));
      return predict(denoiser, params, z, logsnr, told);
    },
  };
}

import * as tf from "@tensorflow/tfjs";
import { gradients } from "../engine/gradients.ts";
import { type Engine, type Program, separable, type State, type Tensors } from "../engine/program.ts";
import { type DataInfo, type Denoiser, widthOfCondition } from "../plugins/contracts.ts";
import { predict } from "../plugins/predict.ts";
import { sizeOf } from "../data/tensors.ts";
import { errorWidths } from "./errors.ts";
import { rowProgram } from "./row_program.ts";

/** Up to this dimension the divergence is computed exactly, from a product with each unit vector. */
export const MAX_EXACT_DIMENSION = 16;

/** Where a flow is asked for the denoiser. */
export interface FlowPoint {
  /** A noisy sample, `[d]`, or more, which comes first. Valid until the value is there. */
  readonly z: Float64Array;
  /** In nats. */
  readonly logsnr: number;
  /** Signs v for an estimate of the trace, `[d]`; the exact one is computed where they are left out. */
  readonly probe?: Float32Array;
  /** What is known of the sample, `[width]`; nothing is, if left out. */
  readonly condition?: Float32Array;
}

/** What the denoiser says at a point. */
export interface FlowValue {
  /** ε̂, `[d]`; the receiver's own. */
  readonly epsHat: Float32Array;
  /** tr ∂ε̂/∂z, or its estimate. */
  readonly trace: number;
}

/** Evaluates a denoiser and the trace of its Jacobian. */
export interface FlowMeter extends Disposable {
  readonly shape: readonly number[];
  /** Whether the trace is exact, from d products with the Jacobian; otherwise it is estimated from one. */
  readonly exact: boolean;
  /** Points that are evaluated at once, at most. */
  readonly lanes: number;
  /** Evaluations of the denoiser that a point takes. */
  readonly perPoint: number;
  evaluate(points: readonly FlowPoint[]): Promise<FlowValue[]>;
}

/** ε̂ of rows, and vᵀ·∂ε̂/∂z·v of each, by one pass backwards. */
export function flowProgram(weights: (state: Tensors) => Tensors, denoiser: Denoiser): Program {
  return (state, { z, probe, logsnr, condition }) => {
    const params = weights(state);
    const { gradients: { z: product }, aux } = gradients(({ z }) => {
      const epsHat = predict(denoiser, params, z, logsnr, condition);
      return { loss: tf.sum(tf.mul(epsHat, probe)) as tf.Scalar, aux: { epsHat } };
    }, { z });
    const axes = z.shape.map((_, axis) => axis).slice(1);
    return { outputs: { epsHat: aux.epsHat, product: tf.sum(tf.mul(product, probe), axes) } };
  };
}

/**
 * A meter of a denoiser whose parameters live in an engine's state, as they are at each call.
 *
 * @param weights From the state to the denoiser's parameters.
 * @param chunk Rows per run of the program; memory is that of a gradient of so many.
 * @param exact Whether the trace is exact; by the dimension, if left out.
 */
export async function createFlowMeter(
  engine: Engine,
  state: State,
  weights: (state: Tensors) => Tensors,
  denoiser: Denoiser,
  data: Pick<DataInfo, "shape" | "condition">,
  chunk: number,
  exact: boolean = sizeOf(data.shape) <= MAX_EXACT_DIMENSION,
): Promise<FlowMeter> {
  const { shape } = data, d = sizeOf(shape), width = widthOfCondition(data);
  const perPoint = exact ? d : 1, lanes = Math.max(1, Math.floor(chunk / perPoint)), size = lanes * perPoint;
  const program = await engine.compile(separable(flowProgram(weights, denoiser)), state, {
    ...{ z: [size, ...shape], probe: [size, ...shape], logsnr: [size] },
    ...(width > 0 ? { condition: [size, width] } : {}),
  });
  const { eps: _, x: z, ...others } = errorWidths(d, width);
  const rows = rowProgram(program, { z, probe: d, ...others }, size);
  return {
    ...{ shape, exact, lanes, perPoint },
    async evaluate(points) {
      const n = points.length * perPoint;
      const inputs = {
        ...{ z: new Float32Array(n * d), probe: new Float32Array(n * d), logsnr: new Float32Array(n) },
        ...(width > 0 ? { condition: new Float32Array(n * width) } : {}),
      };
      points.forEach(({ z, logsnr, probe, condition }, i) => {
        for (let k = 0; k < perPoint; k++) {
          const row = i * perPoint + k;
          inputs.z.set(z.subarray(0, d), row * d);
          inputs.logsnr[row] = logsnr;
          if (probe && !exact) inputs.probe.set(probe, row * d);
          else inputs.probe[row * d + k] = 1;
          if (condition) inputs.condition?.set(condition, row * width);
        }
      });
      const values: { epsHat: Float32Array; trace: number }[] = points.map(() => ({
        epsHat: new Float32Array(d),
        trace: 0,
      }));
      await rows.run(inputs, [new Float32Array(n)], ({ epsHat, product }, { begin, end }) => {
        for (let row = begin; row < end; row++) {
          const value = values[Math.floor(row / perPoint)], at = row - begin;
          value.trace += product[at];
          if (row % perPoint === 0) value.epsHat.set(epsHat.subarray(at * d, (at + 1) * d));
        }
      });
      return values;
    },
    [Symbol.dispose]: () => program.dispose(),
  };
}

import * as tf from "@tensorflow/tfjs";
import { gradients } from "../../../core/engine/gradients.ts";
import { type Backend, createEngine, type Program, type Tensors } from "../../../core/engine/mod.ts";
import type { HostTensors } from "../../../core/tensors.ts";

/** Compiles a program without a state on a backend, runs it once and gives its outputs. */
export async function run(backend: Backend, program: Program, inputs: HostTensors) {
  const engine = await createEngine(backend, 1);
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, t.shape]));
  const compiled = await engine.compile(program, engine.createState({}), shapes);
  const results = await compiled.run(Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, t.data])));
  const copies = Object.fromEntries(Object.entries(results).map(([name, data]) => [name, data.slice()]));
  await compiled.dispose();
  return copies;
}

/**
 * A program whose outputs are y = f(inputs) and, under the inputs' names, its gradients for the gradient of y that the
 * input `dy` holds.
 */
export function withGradients(f: (inputs: Tensors) => tf.Tensor): Program {
  return (_, { dy, ...inputs }) => {
    const { gradients: found, aux } = gradients((params) => {
      const y = f(params);
      return { loss: tf.sum(tf.mul(y, dy)), aux: { y } };
    }, inputs);
    return { outputs: { y: aux.y, ...found } };
  };
}

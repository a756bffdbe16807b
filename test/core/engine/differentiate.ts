import * as tf from "@tensorflow/tfjs";
import { gradients } from "../../../core/engine/gradients.ts";
import { type Backend, createEngine, type Engine, type Program, type Tensors } from "../../../core/engine/mod.ts";
import type { HostTensors } from "../../../core/data/tensors.ts";

/** Compiles a program without a state on a backend, runs it once and gives its outputs. */
export async function run(backend: Backend, program: Program, inputs: HostTensors) {
  return await runOn(await createEngine(backend, 1), program, inputs);
}

/** The same on an engine that is there. */
export async function runOn(engine: Engine, program: Program, inputs: HostTensors) {
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, t.shape]));
  const state = engine.createState({});
  const compiled = await engine.compile(program, state, shapes);
  const results = await compiled.run(Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, t.data])));
  const copies = Object.fromEntries(Object.entries(results).map(([name, data]) => [name, data.slice()]));
  compiled.dispose();
  state.dispose();
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

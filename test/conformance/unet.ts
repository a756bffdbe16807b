import { equal } from "assert";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import { gradients } from "../../core/engine/gradients.ts";
import type { Engine, Tensors } from "../../core/engine/mod.ts";
import { readWeights } from "../../core/io/weights.ts";
import { parseUnetConfig } from "../../denoisers/unet_pretrained/config.ts";
import { parameterShapes, unet } from "../../denoisers/unet_pretrained/network.ts";
import { matchWeights } from "../../denoisers/unet_pretrained/weights.ts";
import { readCase, readTensors } from "../reference.ts";
import { type ConformanceCase, type Deviation, deviation } from "./case.ts";

const FOLDER = fileURLToPath(new URL("../reference/unet/", import.meta.url));

/** A reference model from its files in diffusers' form. */
export async function readModel(name: string, form: "safetensors" | "bin") {
  const [folder, file] = [`${name}/${form}`, `diffusion_pytorch_model.${form}`];
  const config = parseUnetConfig(JSON.parse(await Deno.readTextFile(`${FOLDER}${folder}/config.json`)), "config.json");
  return { config, weights: matchWeights(config, await readWeights(`${FOLDER}${folder}/${file}`), file) };
}

/** The outputs at every kind of time step. */
async function values(engine: Engine, name: string, form: "safetensors" | "bin"): Promise<Deviation[]> {
  const { config, weights } = await readModel(name, form);
  const { tolerances } = await readCase(`unet/${name}`);
  const inputs = await readTensors(`unet/${name}/inputs.safetensors`);
  const outputs = await readTensors(`unet/${name}/outputs.safetensors`);
  const state = engine.createState(weights);
  const { shape, data } = inputs.sample;
  const forward = await engine.compile(
    (params, { sample, timestep }) => ({ outputs: { y: unet(config, params, sample, timestep) } }),
    state,
    { sample: shape, timestep: [shape[0]] },
  );
  const deviations: Deviation[] = [];
  for (const key of ["int", "scalar", "edges", "float"]) {
    const { y } = await forward.run({ sample: data, timestep: inputs[`timestep.${key}`].data });
    deviations.push(deviation(`output, time steps "${key}"`, y, outputs[key].data, tolerances[`outputs/${key}`]));
  }
  forward.dispose();
  state.dispose();
  return deviations;
}

/** The loss, and its gradients for the images and, where the repository holds them, for every parameter. */
async function backward(engine: Engine, name: string, form: "safetensors" | "bin"): Promise<Deviation[]> {
  const { config, weights } = await readModel(name, form);
  const { scalars, tolerances } = await readCase(`unet/${name}`);
  const inputs = await readTensors(`unet/${name}/inputs.safetensors`);
  const expected = name === "config_a" ? await readTensors(`unet/${name}/grads.safetensors`) : {};
  const [ofInput] = Object.values(await readTensors(`unet/${name}/grad_input.safetensors`));
  const state = engine.createState(weights);
  const { sample, target } = inputs;
  const program = await engine.compile(
    (params, { sample, target, timestep }) => {
      const { gradients: found, aux } = gradients(
        (all: Tensors) => {
          const y = unet(config, all, all["the sample"], timestep);
          const loss = tf.mean(tf.square(tf.sub(y, target))) as tf.Scalar;
          return { loss, aux: { loss } };
        },
        { ...params, "the sample": sample },
      );
      return { outputs: { ...found, loss: aux.loss } };
    },
    state,
    { sample: sample.shape, timestep: [sample.shape[0]], target: target.shape },
  );
  const found = await program.run({
    sample: sample.data,
    target: target.data,
    timestep: inputs["timestep.int"].data,
  });
  equal(Object.keys(found).length, parameterShapes(config).size + 2);
  const deviations = [
    deviation("loss", found.loss, [(scalars.loss as { value: number }).value], tolerances.loss),
    deviation("gradient of the images", found["the sample"], ofInput.data, tolerances.grad_input),
    ...Object.entries(expected).map(([key, { data }]) =>
      deviation(`gradient of ${key}`, found[key], data, tolerances.grads)
    ),
  ];
  program.dispose();
  state.dispose();
  return deviations;
}

export const unetValues: ConformanceCase = {
  name: "U-Net: values",
  reference: "diffusers",
  run: (engine) => values(engine, "config_a", "safetensors"),
};

export const unetGradients: ConformanceCase = {
  name: "U-Net: gradients",
  reference: "diffusers",
  run: (engine) => backward(engine, "config_a", "safetensors"),
};

/** Another model, whose file has the names that diffusers gave attention once. */
export const oldUnet: ConformanceCase = {
  name: "U-Net of an old file",
  reference: "diffusers",
  async run(engine) {
    const [name, form] = ["config_b_old_names", "bin"] as const;
    return [...await values(engine, name, form), ...await backward(engine, name, form)];
  },
};

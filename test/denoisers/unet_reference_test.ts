import { deepEqual, equal } from "assert";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import { BACKENDS, createEngine, type Tensors } from "../../core/engine/mod.ts";
import { gradients } from "../../core/engine/gradients.ts";
import { readWeights } from "../../core/io/weights.ts";
import { parseUnetConfig } from "../../denoisers/unet_pretrained/config.ts";
import { parameterShapes, unet } from "../../denoisers/unet_pretrained/network.ts";
import { matchWeights } from "../../denoisers/unet_pretrained/weights.ts";
import { assertWithin, readCase, readTensors } from "../reference.ts";

const FOLDER = fileURLToPath(new URL("../reference/unet/", import.meta.url));

/** The reference's models, and their files in diffusers' form. */
const models = { config_a: "safetensors", config_b_old_names: "bin" };

async function readModel(name: string, form: string) {
  const [folder, file] = [`${name}/${form}`, `diffusion_pytorch_model.${form}`];
  const config = parseUnetConfig(JSON.parse(await Deno.readTextFile(`${FOLDER}${folder}/config.json`)), "config.json");
  return { config, weights: matchWeights(config, await readWeights(`${FOLDER}${folder}/${file}`), file) };
}

Deno.test("a model's weights are equal from safetensors and from PyTorch's file, in the parameters' order", async () => {
  const [{ config, weights }, { weights: bin }] = await Promise.all(
    ["safetensors", "bin"].map((form) => readModel("config_a", form)),
  );
  deepEqual(Object.entries(weights).map(([name, { shape }]) => [name, shape]), [...parameterShapes(config)]);
  deepEqual(weights, bin);
});

for (const backend of BACKENDS) {
  for (const [name, form] of Object.entries(models)) {
    // One is enough of the slowest.
    if (backend === "tfjs-cpu" && name !== "config_a") continue;
    Deno.test(`${backend}: the U-Net of ${name} equals diffusers' in outputs and gradients`, async () => {
      const { config, weights } = await readModel(name, form);
      const { scalars, tolerances } = await readCase(`unet/${name}`);
      const inputs = await readTensors(`unet/${name}/inputs.safetensors`);
      const outputs = await readTensors(`unet/${name}/outputs.safetensors`);
      const grads = name === "config_a" ? await readTensors(`unet/${name}/grads.safetensors`) : {};
      const gradInput = Object.values(await readTensors(`unet/${name}/grad_input.safetensors`))[0];

      const engine = await createEngine(backend, 2);
      const state = engine.createState(weights);
      const { sample, target } = inputs;
      const shapes = { sample: sample.shape, timestep: [sample.shape[0]] };
      const forward = await engine.compile(
        (params, { sample, timestep }) => ({ outputs: { y: unet(config, params, sample, timestep) } }),
        state,
        shapes,
      );
      for (const key of ["int", "scalar", "edges", "float"]) {
        const { y } = await forward.run({ sample: sample.data, timestep: inputs[`timestep.${key}`].data });
        assertWithin(y, outputs[key].data, tolerances[`outputs/${key}`] ?? tolerances["outputs/int"], key);
      }
      await forward.dispose();

      const backward = await engine.compile(
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
        { ...shapes, target: target.shape },
      );
      const found = await backward.run({
        sample: sample.data,
        target: target.data,
        timestep: inputs["timestep.int"].data,
      });
      assertWithin(found.loss, [(scalars.loss as { value: number }).value], tolerances.loss, "loss");
      equal(Object.keys(found).length, parameterShapes(config).size + 2);
      for (const [key, { data }] of Object.entries(grads)) assertWithin(found[key], data, tolerances.grads, key);
      assertWithin(found["the sample"], gradInput.data, tolerances.grad_input, "grad_input");
      await backward.dispose();
      state.dispose();
    });
  }
}

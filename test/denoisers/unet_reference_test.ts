import { equal, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { createEngine } from "../../core/engine/mod.ts";
import { gradients } from "../../core/engine/gradients.ts";
import type { Tensors } from "../../core/engine/program.ts";
import { Random } from "../../core/random.ts";
import { parseUnetConfig } from "../../denoisers/unet_pretrained/config.ts";
import { initParams, unet } from "../../denoisers/unet_pretrained/network.ts";
import { assertWithin, readCase, readTensors } from "../reference.ts";

const config = parseUnetConfig(
  JSON.parse(await Deno.readTextFile(new URL("../reference/unet/config_a/bin/config.json", import.meta.url))),
  "config.json",
);

for (const backend of ["onnx-cpu", "tfjs-cpu"] as const) {
  Deno.test(`the U-Net's values and gradients equal diffusers' on ${backend}`, async () => {
    const { scalars, tolerances } = await readCase("unet/config_a");
    const weights = await readTensors("unet/config_a/safetensors/diffusion_pytorch_model.safetensors");
    const inputs = await readTensors("unet/config_a/inputs.safetensors");
    const outputs = await readTensors("unet/config_a/outputs.safetensors");
    const grads = await readTensors("unet/config_a/grads.safetensors");
    const gradInput = await readTensors("unet/config_a/grad_input.safetensors");
    const initial = initParams(config, Random.fromSeed(0));
    equal(Object.keys(initial).sort().join("\n"), Object.keys(weights).sort().join("\n"));
    for (const [name, { shape }] of Object.entries(initial)) equal(shape.join(), weights[name].shape.join(), name);

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
    for (const [name, { data }] of Object.entries(grads)) assertWithin(found[name], data, tolerances.grads, name);
    assertWithin(found["the sample"], Object.values(gradInput)[0].data, tolerances.grad_input, "grad_input");
    await backward.dispose();
    await forward.dispose();
    state.dispose();
    ok(engine);
  });
}

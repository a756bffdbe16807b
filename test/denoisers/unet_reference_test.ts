import { deepEqual } from "assert";
import { parameterShapes } from "../../denoisers/unet_pretrained/network.ts";
import { readModel } from "../conformance/unet.ts";

Deno.test("a model's weights are equal from safetensors and from PyTorch's file, in the parameters' order", async () => {
  const [{ config, weights }, { weights: bin }] = await Promise.all(
    (["safetensors", "bin"] as const).map((form) => readModel("config_a", form)),
  );
  deepEqual(Object.entries(weights).map(([name, { shape }]) => [name, shape]), [...parameterShapes(config)]);
  deepEqual(weights, bin);
});

import { join } from "node:path";
import type { HostTensor } from "../../core/data/tensors.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { readWeights } from "../../core/io/weights.ts";

/**
 * Writes a U-Net with twice the channels of another one, the second half of which says variances near the middle of their
 * range, into a folder.
 *
 * @param unet The folder of the other one.
 * @returns Its folder.
 */
export async function learnedUnet(unet: string, folder: string): Promise<string> {
  const config = JSON.parse(await Deno.readTextFile(join(unet, "config.json"))),
    params = await readWeights(
      join(unet, "diffusion_pytorch_model.safetensors"),
    );
  const twice = ({ shape, data }: HostTensor, scale: number) => ({
    shape: [2 * shape[0], ...shape.slice(1)],
    data: Float32Array.from([...data, ...data.map((w) => scale * w)]),
  });
  const path = join(folder, "learned");
  await Deno.mkdir(path);
  await Deno.writeTextFile(join(path, "config.json"), JSON.stringify({ ...config, out_channels: 6 }));
  const scheduler = { _class_name: "DDPMScheduler", variance_type: "learned_range" };
  await Deno.writeTextFile(join(path, "scheduler_config.json"), JSON.stringify(scheduler));
  await Deno.writeFile(
    join(path, "diffusion_pytorch_model.safetensors"),
    encodeSafetensors({
      ...params,
      "conv_out.weight": twice(params["conv_out.weight"], -0.1),
      "conv_out.bias": twice(params["conv_out.bias"], -0.1),
    }),
  );
  return path;
}

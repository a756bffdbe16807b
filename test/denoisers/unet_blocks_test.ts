import { equal, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { type HostTensor, type HostTensors, sizeOf } from "../../core/data/tensors.ts";
import { gradients } from "../../core/engine/gradients.ts";
import type { Tensors } from "../../core/engine/program.ts";
import { parseUnetConfig } from "../../denoisers/unet_pretrained/config.ts";
import { parameterShapes, unet } from "../../denoisers/unet_pretrained/network.ts";
import { LOCAL_BACKENDS } from "../backends.ts";
import { run } from "../core/engine/differentiate.ts";

/** Of test/interop/make_unet_blocks.py. */
interface Case {
  readonly config: Readonly<Record<string, unknown>>;
  readonly timestep: readonly number[];
  /** Every fifth value. */
  readonly output: readonly number[];
  /** Sums of the gradients' values with weights. */
  readonly gradient: number;
  readonly gradients: readonly number[];
}

const CASES: Readonly<Record<string, Case>> = JSON.parse(
  await Deno.readTextFile(new URL("../reference/unet/blocks.json", import.meta.url)),
);

/** The values that parameters and inputs have in the script. */
function formula(j: number, shape: readonly number[], seen = 1, offset = 0): HostTensor {
  const data = Float32Array.from(
    { length: sizeOf(shape) },
    (_, i) => offset + Math.sin(1 + 0.7 * i + j) / Math.sqrt(seen),
  );
  return { shape, data };
}

function projected(data: Float32Array): number {
  return data.reduce((sum, x, i) => sum + x * Math.cos(0.3 * i), 0);
}

/** Eager backends are slow. */
const BACKENDS = LOCAL_BACKENDS.filter((backend) => backend !== "tfjs-cpu");

for (const backend of BACKENDS) {
  for (const [name, expected] of Object.entries(CASES)) {
    Deno.test(`${backend}: a U-Net with ${name} has diffusers' outputs and gradients`, async () => {
      const config = parseUnetConfig(expected.config, "config.json"), shapes = [...parameterShapes(config)];
      const params: HostTensors = Object.fromEntries(shapes.map(([name, shape], j) => {
        const isScale = name.includes("norm") && name.endsWith("weight");
        return [name, formula(j, shape, sizeOf(shape.slice(1)), isScale ? 1 : 0)];
      }));
      const sample = formula(0, [2, config.inChannels, 4, 8]);
      const timestep = { shape: [2], data: Float32Array.from(expected.timestep) };
      const got = await run(backend, (_, { timestep, ...variables }) => {
        const { gradients: found, aux } = gradients(({ sample, ...params }: Tensors) => {
          const y = unet(config, params, sample, timestep);
          return { loss: tf.mean(tf.square(y)) as tf.Scalar, aux: { y } };
        }, variables);
        return { outputs: { y: aux.y, ...found } };
      }, { ...params, sample, timestep });
      const near = (got: number, expected: number, scale: number, what: string) =>
        ok(Math.abs(got - expected) <= 1e-4 * scale, `${what}: ${got}, expected ${expected}`);
      const some = got.y.filter((_, i) => i % 5 === 0), most = Math.max(...expected.output.map(Math.abs));
      equal(some.length, expected.output.length);
      some.forEach((value, i) => near(value, expected.output[i], most, `output ${5 * i}`));
      const largest = Math.max(...expected.gradients.map(Math.abs));
      near(
        projected(got.sample),
        expected.gradient,
        Math.max(largest, Math.abs(expected.gradient)),
        "gradient of the sample",
      );
      shapes.forEach(([name], j) => near(projected(got[name]), expected.gradients[j], largest, `gradient of ${name}`));
    });
  }
}

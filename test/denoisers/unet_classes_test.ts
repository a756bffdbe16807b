import { deepEqual, equal, match, ok, rejects, throws } from "assert";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import { type Condition, encodeCondition } from "../../core/data/condition.ts";
import type { HostTensors } from "../../core/data/tensors.ts";
import { gradients } from "../../core/engine/gradients.ts";
import type { Tensors } from "../../core/engine/program.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { Random } from "../../core/random/random.ts";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { classInputOf, withClasses } from "../../denoisers/unet_pretrained/classes.ts";
import { parseUnetConfig } from "../../denoisers/unet_pretrained/config.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
import { unet } from "../../denoisers/unet_pretrained/network.ts";
import { DDPM_SCHEDULE, parseSchedule } from "../../denoisers/unet_pretrained/schedule.ts";
import { run } from "../core/engine/differentiate.ts";
import { assertWithin, readTensors } from "../reference.ts";

const KINDS = ["table", "timestep", "identity"] as const;
const folderOf = (kind: string) => fileURLToPath(new URL(`../reference/unet/classes/${kind}`, import.meta.url));
const classes = (count: number): Condition => [
  { name: "c", kind: "class", levels: Array.from({ length: count }, (_, k) => 2 * k), counts: Array(count).fill(1) },
];
const SHAPE = [1, 6, 4], gaussian = standardGaussian(24);

const oneHot = ({ shape: [n], data }: HostTensors[string], count: number) => {
  const rows = new Float32Array(n * count);
  data.forEach((label, i) => rows[i * count + label] = 1);
  return { shape: [n, count], data: rows };
};

for (const kind of KINDS) {
  Deno.test(`a U-Net with classes by ${kind} has PyTorch's output and gradients`, async () => {
    const { sample, target, timestep, output, gradient, class_labels: labels, ...grads } = await readTensors(
      `unet/classes/${kind}/values.safetensors`,
    );
    const json = JSON.parse(await Deno.readTextFile(`${folderOf(kind)}/config.json`));
    const config = parseUnetConfig(json, "config.json");
    const denoiser = await create({ shape: SHAPE, gaussian, condition: classes(3) }, { weights: folderOf(kind) });
    const params = denoiser.init(Random.fromSeed(0));
    const known = kind === "table" ? oneHot(labels, 4) : labels;
    const results = await run(
      "onnx-cpu",
      (_, { timestep, target, known, ...variables }) => {
        const { gradients: found, aux } = gradients(({ sample, ...all }: Tensors) => {
          const y = unet(config, all, sample, timestep, { values: known });
          return { loss: tf.mean(tf.square(tf.sub(y, target))) as tf.Scalar, aux: { y } };
        }, variables);
        return { outputs: { y: aux.y, ...found } };
      },
      { ...params, sample, timestep, target, known },
    );
    assertWithin(results.y, output.data, { rtol: 1e-4, atol: 1e-5 }, "output");
    equal(Object.keys(grads).length, Object.keys(params).length);
    const largest = Math.max(...Object.values(grads).flatMap(({ data }) => [...data].map(Math.abs)));
    assertWithin(results.sample, gradient.data, { rtol: 1e-3, atol: 1e-5 * largest }, "gradient");
    for (const [name, { data }] of Object.entries(grads)) {
      assertWithin(results[name.slice("gradient.".length)], data, { rtol: 1e-3, atol: 1e-5 * largest }, name);
    }
    equal("class_embedding.weight" in params, kind === "table");
  });
}

Deno.test("what is known becomes classes: the last row of a table for unknown, values for time steps, zero elsewhere", async () => {
  const input = async (kind: Parameters<typeof classInputOf>[0], condition: Condition, rows: number[]) => {
    const data = encodeCondition(condition, rows), width = data.length / (rows.length / condition.length);
    const of = classInputOf(kind, condition, 8, "the U-Net")!;
    const got = await run("onnx-cpu", (_, { v }) => {
      const { values, known = tf.onesLike(tf.slice(v, [0, 0], [-1, 1])) } = of(v, data.length / width);
      return { outputs: { values, known } };
    }, { v: { shape: [data.length / width, width], data } });
    return [[...got.values], [...got.known]];
  };
  deepEqual(await input({ kind: "table", count: 4 }, classes(3), [4, NaN]), [[0, 0, 1, 0, 0, 0, 0, 1], [1, 1]]);
  deepEqual(await input({ kind: "table", count: 3 }, classes(3), [4, NaN]), [[0, 0, 1, 0, 0, 0], [1, 1]]);
  deepEqual(await input({ kind: "timestep" }, classes(3), [4, NaN]), [[4, 0], [1, 0]]);
  const age: Condition = [{ name: "age", kind: "number", mean: 40, scale: 8 }];
  deepEqual(await input({ kind: "timestep" }, age, [44, NaN]), [[44, 40], [1, 0]]);
  deepEqual(await input({ kind: "identity" }, age, [44, NaN]), [[1, 0.5, ...Array(6).fill(0), ...Array(8).fill(0)], [
    1,
    1,
  ]]);
});

Deno.test("a U-Net and a condition that do not fit each other are refused, and one without classes gets some", async () => {
  const refused = (run: () => unknown, pattern: RegExp) =>
    throws(run, (error: Error) => {
      ok(error instanceof UserError, String(error));
      match(error.message, pattern);
      return !error.message.includes("\n");
    });
  refused(() => classInputOf(undefined, classes(3), 8, "it"), /^it takes no classes/);
  refused(() => classInputOf({ kind: "table", count: 4 }, undefined, 8, "it"), /num_class_embeds 4.*--condition/);
  refused(
    () => classInputOf({ kind: "table", count: 6 }, classes(3), 8, "it"),
    /^it has 6 classes, but c is 3 classes/,
  );
  refused(() => classInputOf({ kind: "timestep" }, [...classes(2), ...classes(3)], 8, "it"), /^it takes one variable/);
  refused(
    () => classInputOf({ kind: "identity" }, classes(9), 8, "it"),
    /embedding of 8 values, but the condition has 10/,
  );
  const timestep = { kind: "timestep" } as const;
  refused(
    () => classInputOf(timestep, classes(3), 8, "it", { kind: "fourier" }),
    /^it takes classes that are numbers above 0, but c may be 0\./,
  );
  refused(
    () => classInputOf(timestep, classes(3), 8, "it", { kind: "learned", steps: 4 }),
    /^it takes classes that are whole numbers from 0 to 3, but c may be 4\./,
  );
  ok(classInputOf(timestep, classes(3), 8, "it", { kind: "learned", steps: 5 }));
  refused(() => withClasses({}, [{ name: "age", kind: "number", mean: 0, scale: 1 }]), /a U-Net takes one class/);
  deepEqual(withClasses({ a: 1 }, classes(3)), { json: { a: 1, num_class_embeds: 4 }, isAdded: true });
  await rejects(create({ shape: SHAPE, gaussian }, { weights: folderOf("table") }), /the data has no condition/);

  const added = await create({ shape: SHAPE, gaussian, condition: classes(3) }, { fromScratch: true, channels: "4" });
  const { "class_embedding.weight": table } = added.init(Random.fromSeed(0));
  deepEqual(table.shape, [4, 16]);
  equal(JSON.parse(added.form!.files["config.json"]).num_class_embeds, 4);
  const random = Random.fromSeed(1), z = random.normalTensor([2, ...SHAPE]), width = 4;
  const params = added.init(Random.fromSeed(0)), logsnr = { shape: [2], data: Float32Array.of(0, 3) };
  const c = { shape: [2, width], data: encodeCondition(classes(3), [2, NaN]) };
  const schedule = parseSchedule(DDPM_SCHEDULE, "DDPM"),
    config = parseUnetConfig(JSON.parse(added.form!.files["config.json"]), "");
  const { told, untold, direct } = await run("onnx-cpu", (_, { z, logsnr, c, ...params }) => ({
    outputs: {
      told: added.predict(params, z, logsnr as tf.Tensor1D, c),
      untold: added.predict(params, z, logsnr as tf.Tensor1D),
      direct: unet(config, params, z, schedule.timestep(logsnr), {
        values: tf.tensor2d([[0, 1, 0, 0], [0, 0, 0, 1]]),
      }),
    },
  }), { ...params, z, logsnr, c });
  assertWithin(told, direct, { rtol: 1e-5, atol: 1e-6 }, "told");
  assertWithin(untold.subarray(24), told.subarray(24), { rtol: 1e-5, atol: 1e-6 }, "untold");
  ok(told.some((value, i) => Math.abs(value - untold[i]) > 1e-3));
});

import { equal, ok, rejects } from "assert";
import type * as tf from "@tensorflow/tfjs";
import { UserError } from "../../core/errors/user_error.ts";
import { Random } from "../../core/random/random.ts";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { sizeOf } from "../../core/data/tensors.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
import { DDPM_SCHEDULE } from "../../denoisers/unet_pretrained/schedule.ts";
import { run } from "../core/engine/differentiate.ts";

const SHAPE = [3, 4, 8];

const SMALL = {
  block_out_channels: [4, 4],
  down_block_types: ["DownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "UpBlock2D"],
  layers_per_block: 1,
  norm_num_groups: 2,
  add_attention: false,
};

const SCORE = { _class_name: "ScoreSdeVeScheduler", sigma_min: 0.01, sigma_max: 50 };

async function denoiserOf(config: object, scheduler: object = DDPM_SCHEDULE, shape = SHAPE) {
  const notes: string[] = [];
  const files = {
    "config.json": JSON.stringify({ ...SMALL, ...config }),
    "scheduler_config.json": JSON.stringify(scheduler),
  };
  const info = { shape, gaussian: standardGaussian(sizeOf(shape)) };
  const denoiser = await create(info, {}, { saved: files, onNote: (note) => notes.push(note) });
  return { denoiser, notes };
}

/** Estimates of a network whose output is its last bias, at three log SNRs. */
async function estimates({ denoiser }: Awaited<ReturnType<typeof denoiserOf>>, bias: readonly number[]) {
  const drawn = denoiser.init(Random.fromSeed(0));
  const params = Object.fromEntries(
    Object.entries(drawn).map(([name, { shape, data }]) => [
      name,
      { shape, data: name === "conv_out.bias" ? Float32Array.from(bias) : data.fill(0) },
    ]),
  );
  const z = Random.fromSeed(1).normalTensor([3, ...SHAPE]);
  const logsnr = { shape: [3], data: Float32Array.of(-7, 1, 30) };
  return (await run("onnx-cpu", (_, { z, logsnr, ...params }) => ({
    outputs: { epsHat: denoiser.predict(params, z, logsnr as tf.Tensor1D) },
  }), { ...params, z, logsnr })).epsHat;
}

/** Channel c of every image has value c of a list. */
function isByChannel(got: Float32Array, values: readonly number[]): boolean {
  const pixels = SHAPE[1] * SHAPE[2];
  return got.every((x, i) => Math.abs(x - values[Math.floor(i / pixels) % values.length]) < 1e-5);
}

Deno.test("of a network that predicts a variance too, its mean alone is used, which is said", async () => {
  const made = await denoiserOf({ out_channels: 6 });
  ok(made.notes.some((note) => /^variance: the network's own is not used/.test(note)), String(made.notes));
  ok(isByChannel(await estimates(made, [1, 2, 3, 7, 8, 9]), [1, 2, 3]));
  equal(made.denoiser.stepVariance, undefined);
  // Where its scheduler says what the rest means, the bound is given it.
  const learned = await denoiserOf({ out_channels: 6 }, { variance_type: "learned_range" });
  ok(learned.notes.some((note) => /^variance: the network's own, learned_range, is used by/.test(note)));
  equal(learned.denoiser.schedule!.learned, "learned_range");
  const both = await estimates({
    ...learned,
    denoiser: { ...learned.denoiser, predict: (...args) => learned.denoiser.stepVariance!(...args).v },
  }, [1, 2, 3, 7, 8, 9]);
  ok(isByChannel(both, [7, 8, 9]));
  equal((await denoiserOf({}, { variance_type: "learned_range" })).denoiser.schedule!.learned, undefined);
  await rejects(denoiserOf({ out_channels: 4 }), (error: Error) => {
    ok(error instanceof UserError && /out_channels is 4 in .*, expected the 3 of the images/.test(error.message));
    return true;
  });
});

Deno.test("a network of noise levels gives the score, of which ε̂ is −σ times", async () => {
  // diffusers divides its output by the noise level, which is taken off again.
  const made = await denoiserOf({ time_embedding_type: "fourier" }, SCORE);
  equal(made.denoiser.schedule, undefined);
  ok(isByChannel(await estimates(made, [1, -2, 3]), [-1, 2, -3]));
});

Deno.test("a Fourier embedding under a schedule of steps is finite where there is next to no noise", async () => {
  const got = await estimates(await denoiserOf({ time_embedding_type: "fourier" }), [1, 1, 1]);
  ok(got.every((x) => Number.isFinite(x) && x > 0 && x <= 10), String(got.slice(0, 3)));
});

Deno.test("a table of time steps has to have those of the schedule", async () => {
  const learned = (steps: number) => ({ time_embedding_type: "learned", num_train_timesteps: steps });
  ok(isByChannel(await estimates(await denoiserOf(learned(1000)), [1, 2, 3]), [1, 2, 3]));
  for (const scheduler of [DDPM_SCHEDULE, SCORE]) {
    await rejects(denoiserOf(learned(50), scheduler), (error: Error) => {
      ok(
        error instanceof UserError &&
          /has a table of 50 time steps, but .* has (1000|noise levels)\./.test(error.message),
      );
      return true;
    });
  }
});

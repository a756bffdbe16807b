import { equal, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toFloat32 } from "../../core/data/samples.ts";
import { meanAndStderr } from "../../core/diffusion/likelihood.ts";
import { createFlowMeter } from "../../core/evaluation/flow_meter.ts";
import { createEngine } from "../../core/engine/mod.ts";
import { createPredictionMeter, RunningVariationalNll } from "../../core/evaluation/variational_nll.ts";
import { floatSamples } from "../../core/data/samples.ts";
import { respaced, reverseStep } from "../../core/diffusion/variational_bound.ts";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { loadData } from "../../core/mod.ts";
import { Random } from "../../core/random/random.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
import { learnedUnet } from "../denoisers/learned_unet.ts";
import { inFolder } from "../folders.ts";
import { runPython } from "../python.ts";
import { runTask } from "../tasks/command.ts";

const PACKAGES = ["torch", "numpy", "safetensors", "scipy"];

Deno.test("the flow's likelihood is PyTorch's, of the same weights at the same tolerance", () =>
  inFolder(async (cwd) => {
    const trained = await runTask(
      "train:2d",
      ["moons", "--epochs", "12", "--width", "32", "--figures", "off", "--quiet", "--out", "run"],
      cwd,
    );
    equal(trained.code, 0, trained.stderr);
    const { test } = await loadData("moons", { options: { points: 8000 } });
    const x = { shape: [24, 2], data: toFloat32(test!, 0, 24) };
    await Deno.writeFile(join(cwd, "points.safetensors"), encodeSafetensors({ x }));
    const ode = ["--estimator", "ode", "--tolerance", "1e-6", "--per-sample", "scores.csv"];
    const { code, stderr } = await runTask("nll", ["run", "--data", "points.safetensors:x", ...ode], cwd);
    equal(code, 0, stderr);
    const scores = (await Deno.readTextFile(join(cwd, "scores.csv"))).trim().split("\n").slice(1)
      .map((line) => Number(line.split(",")[1]));
    const args = [join(cwd, "run"), join(cwd, "points.safetensors"), "1e-6"];
    const torch: number[] = JSON.parse(await runPython("probability_flow.py", args, PACKAGES));
    equal(torch.length, scores.length);
    scores.forEach((nll, i) => ok(Math.abs(nll - torch[i]) < 1e-3, `sample ${i}: ${nll}, PyTorch's ${torch[i]}`));
  }));

/** A small U-Net of diffusers with random weights, of images 3 x 8 x 8. */
const UNET = fileURLToPath(new URL("../reference/unet/config_a/safetensors", import.meta.url));

Deno.test("the divergence of a U-Net's flow has PyTorch's trace, and estimates of it have it as their mean", () =>
  inFolder(async (cwd) => {
    const shape = [3, 8, 8], d = 192, step = 300, random = Random.fromSeed(6);
    const z = random.fillNormal(new Float32Array(2 * d)), path = join(cwd, "z.safetensors");
    await Deno.writeFile(path, encodeSafetensors({ x: { shape: [2, ...shape], data: z } }));
    const denoiser = await create({ shape, gaussian: standardGaussian(d) }, { weights: UNET });
    const engine = await createEngine("onnx-cpu", 1), state = engine.createState(denoiser.init(random));
    const printed = await runPython("variational_bound.py", ["trace", UNET, path, `${step}`], [
      ...PACKAGES,
      "diffusers",
    ]);
    const torch: number[] = JSON.parse(printed), logsnr = denoiser.schedule!.told![step];
    const points = [0, 1].map((i) => ({ z: Float64Array.from(z.subarray(i * d, (i + 1) * d)), logsnr }));
    using exact = await createFlowMeter(engine, state, (s) => s, denoiser, { shape }, d, true);
    for (const [i, point] of points.entries()) {
      const [{ trace }] = await exact.evaluate([point]);
      ok(Math.abs(trace - torch[i]) < 1e-4 * Math.abs(torch[i]) + 1e-3, `${trace}, PyTorch's ${torch[i]}`);
    }
    using estimated = await createFlowMeter(engine, state, (s) => s, denoiser, { shape }, 64);
    const probes = Array.from({ length: 512 }, () => ({
      ...points[0],
      probe: random.fillUniform(new Float32Array(d)).map((u) => u < 0.5 ? -1 : 1),
    }));
    const traces: number[] = [];
    for (let k = 0; k < probes.length; k += 64) {
      traces.push(...(await estimated.evaluate(probes.slice(k, k + 64))).map(({ trace }) => trace));
    }
    const { mean, stderr } = meanAndStderr(traces);
    ok(Math.abs(mean - torch[0]) < 4 * stderr, `${mean} ± ${stderr}, PyTorch's ${torch[0]}`);
    state.dispose();
    engine.dispose();
  }));

for (const isLearned of [false, true]) {
  const what = isLearned ? "a U-Net that says its variance" : "a U-Net";
  Deno.test(`the variational bound of ${what} is improved-diffusion's, within the noise`, () =>
    boundBesidePeer(isLearned));
}

async function boundBesidePeer(isLearned: boolean): Promise<void> {
  await inFolder(async (cwd) => {
    const steps = 40, shape = [3, 8, 8], count = 3, d = 192;
    const random = Random.fromSeed(5);
    const values = random.fillUniform(new Float32Array(count * d)).map((u) => Math.round(255 * u) / 127.5 - 1);
    await Deno.writeFile(
      join(cwd, "images.safetensors"),
      encodeSafetensors({ x: { shape: [count, ...shape], data: values } }),
    );
    const weights = isLearned ? await learnedUnet(UNET, cwd) : UNET;
    const gaussian = standardGaussian(d), denoiser = await create({ shape, gaussian }, { weights });
    equal(denoiser.schedule!.learned, isLearned ? "learned_range" : undefined);
    const engine = await createEngine("onnx-cpu", 1), state = engine.createState(denoiser.init(random));
    const meter = await createPredictionMeter(engine, state, (s) => s, denoiser, { shape }, 16, { isLearned });
    const schedule = respaced(denoiser.schedule!, steps), { logsnr } = schedule;
    const running = new RunningVariationalNll(meter, floatSamples(values, d), {
      ...{ schedule, gaussian, prior: "standard", random: random.split("nll") },
      decoderVariance: reverseStep(logsnr[1], logsnr[0], "fixed_small").posterior,
      grid: { low: -1, delta: 2 / 255, count: 256 },
    });
    for (let round = 0; round < 8; round++) for await (const _ of running.round());
    const { nll } = running.perSample();
    const args = ["unet", weights, join(cwd, "images.safetensors"), `${steps}`, "16"];
    const printed = await runPython("variational_bound.py", args, [...PACKAGES, "diffusers"]);
    const torch: { nats: number[]; stderr: number[] } = JSON.parse(printed);
    nll.forEach((value, i) => {
      const off = value - torch.nats[i];
      // Half of its noise is that of twice as many draws.
      ok(
        Math.abs(off) < 4 * 1.5 * torch.stderr[i] && torch.stderr[i] < 0.02 * value,
        `${off} nats off, where PyTorch has ${torch.nats[i]} ± ${torch.stderr[i]}`,
      );
    });
    meter.dispose();
    state.dispose();
    engine.dispose();
  });
}

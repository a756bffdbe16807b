import { equal, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toFloat32 } from "../../core/data/samples.ts";
import { createEngine } from "../../core/engine/mod.ts";
import { createPredictionMeter, RunningVariationalNll } from "../../core/evaluation/variational_nll.ts";
import { floatSamples } from "../../core/data/samples.ts";
import { respaced, reverseStep } from "../../core/diffusion/variational_bound.ts";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { loadData } from "../../core/mod.ts";
import { Random } from "../../core/random/random.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
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

Deno.test("the variational bound of a U-Net is improved-diffusion's, within the noise", () =>
  inFolder(async (cwd) => {
    const folder = fileURLToPath(new URL("../reference/unet/config_a/safetensors", import.meta.url));
    const steps = 40, shape = [3, 8, 8], count = 3, d = 192;
    const random = Random.fromSeed(5);
    const values = random.fillUniform(new Float32Array(count * d)).map((u) => Math.round(255 * u) / 127.5 - 1);
    await Deno.writeFile(
      join(cwd, "images.safetensors"),
      encodeSafetensors({ x: { shape: [count, ...shape], data: values } }),
    );
    const gaussian = standardGaussian(d), denoiser = await create({ shape, gaussian }, { weights: folder });
    const engine = await createEngine("onnx-cpu", 1), state = engine.createState(denoiser.init(random));
    const meter = await createPredictionMeter(engine, state, (s) => s, denoiser, { shape }, 16);
    const schedule = respaced(denoiser.schedule!, steps), { logsnr } = schedule;
    const running = new RunningVariationalNll(meter, floatSamples(values, d), {
      ...{ schedule, gaussian, prior: "standard", random: random.split("nll") },
      decoderVariance: reverseStep(logsnr[1], logsnr[0], "fixed_small").posterior,
      grid: { low: -1, delta: 2 / 255, count: 256 },
    });
    for (let round = 0; round < 8; round++) for await (const _ of running.round());
    const { nll } = running.perSample();
    const args = ["unet", folder, join(cwd, "images.safetensors"), `${steps}`, "16"];
    const printed = await runPython("variational_bound.py", args, [...PACKAGES, "diffusers"]);
    const torch: { nats: number[]; stderr: number[] } = JSON.parse(printed);
    nll.forEach((value, i) => {
      const off = value - torch.nats[i];
      // Half of its noise is that of twice as many draws.
      ok(Math.abs(off) < 4 * 1.5 * torch.stderr[i] && torch.stderr[i] < 0.01 * value, `${off} nats off`);
    });
    meter.dispose();
    state.dispose();
    engine.dispose();
  }));

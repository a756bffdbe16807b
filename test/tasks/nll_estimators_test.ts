import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Random } from "../../core/random/random.ts";
import { learnedUnet } from "../denoisers/learned_unet.ts";
import { inFolder, namesIn } from "../folders.ts";
import { Gate } from "../gate.ts";
import { labelledRows } from "../labelled.ts";
import { runTask, taskCommand } from "./command.ts";

/** Fifty images of 8 x 8 in colour. */
const IMAGES = fileURLToPath(new URL("../reference/datasets/images.h5", import.meta.url));

/** A small U-Net of diffusers, with random weights. */
const WEIGHTS = fileURLToPath(new URL("../reference/unet/config_a/safetensors", import.meta.url));

const SMALL = ["--width", "16", "--blocks", "1", "--epochs", "6", "--figures", "off", "--quiet"];

async function nll(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await runTask("nll", [...args, "--json"], cwd);
  equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("three estimators of a trained density agree, side by side and alone, with a figure", () =>
  inFolder(async (cwd) => {
    const trained = await runTask("train:2d", ["moons", "--points", "2000", ...SMALL, "--out", "run"], cwd);
    equal(trained.code, 0, trained.stderr);
    const some = ["run", "--samples", "150"];
    const { code, stdout, stderr } = await runTask(
      "nll",
      [...some, "--estimator", "all", "--per-sample", "all.csv"],
      cwd,
    );
    equal(code, 0, stderr);
    match(stdout, /^150 samples, drawn from 100,000, of moons-test under run\npaired /);
    match(stdout, /\node less paired {2}[+−][\d.]+ ± [\d.e-]+ nats: /);
    match(stdout, /\nelbo less paired [+−][\d.]+ ± [\d.]+ nats: /);
    const all = JSON.parse(await Deno.readTextFile(join(cwd, "run/nll/moons-test-all-150_samples.json")));
    const { paired, ode, elbo } = all.estimates;
    ok(Math.abs(ode.nats - paired.nats) < 0.03 + 3 * paired.noise_stderr, `${ode.nats}, ${paired.nats}`);
    ok(elbo.nats - ode.nats > -3 * elbo.noise_stderr && elbo.nats - ode.nats < 0.05 + 3 * elbo.noise_stderr);
    match(await Deno.readTextFile(join(cwd, "run", all.figures[0])), /^<svg/);
    const [header, first] = (await Deno.readTextFile(join(cwd, "all.csv"))).split("\n");
    equal(header, "row,paired,paired_stderr,ode,ode_stderr,elbo,elbo_stderr");
    // The rows of some samples are those that they have among all.
    ok(Number(first.split(",")[0]) > 10);

    const alone = await nll(cwd, ...some, "--estimator", "ode");
    deepEqual([alone.nats, alone.noise_stderr, alone.divergence, alone.rounds], [ode.nats, 0, "exact", 1]);
    ok(alone.solver_error < 1e-3 && alone.range_error < 0.01 && alone.tolerance === 1e-6);
    const bound = await nll(cwd, ...some, "--estimator", "elbo", "--steps", "100", "--variance", "fixed_small");
    deepEqual([bound.steps, bound.variance, bound.terms.nats.length, bound.schedule], [100, "fixed_small", 99, "even"]);
    const sum = bound.prior[0] + bound.divergences[0] + bound.decoder[0];
    ok(bound.nats > elbo.nats && Math.abs(sum - bound.nats) < 1e-6);
    const human = await runTask("nll", [...some, "--estimator", "elbo", "--steps", "100"], cwd);
    match(human.stdout, /\nNLL at most {2}-?[\d.]+ ± [\d.]+ nats .*\n.*\n {5}of 100 steps over the model's log SNRs, /);

    for (
      const [args, expected] of [
        ["--estimator ode --rounds 3", /--rounds is for estimates with noise, but up to 16 dimensions ode has none/],
        ["--estimator ode --steps 3", /--steps is for --estimator elbo or all, but that is ode\. Leave it out\./],
        [
          "--estimator elbo --adapt off",
          /--adapt is for --estimator paired, discrete, dequantised or all, but that is elbo/,
        ],
        ["--estimator all --clamp", /--clamp is for --estimator paired, dequantised or ode, but that is all/],
        ["--tolerance 1e-3", /--tolerance is for --estimator ode or all, but that is paired/],
        ["--estimator ode --dequantise", /no range and no step/],
        ["--estimator ode --tolerance 1", /--tolerance is 1/],
      ] as const
    ) {
      const refused = await runTask("nll", ["run", ...args.split(" ")], cwd);
      equal(refused.code, 2, refused.stderr);
      match(refused.stderr, expected);
      equal(refused.stderr.trim().split("\n").length, 1);
    }
  }));

Deno.test("a conditional density has the flow's likelihood of what is given", () =>
  inFolder(async (cwd) => {
    const rows = labelledRows(Random.fromSeed(0), 1000), test = labelledRows(Random.fromSeed(1), 60);
    const table = (some: readonly number[][]) => `x,y,label\n${some.map((row) => row.join()).join("\n")}\n`;
    await Deno.writeTextFile(join(cwd, "three.csv"), table(rows));
    await Deno.writeTextFile(join(cwd, "test.csv"), table(test));
    equal((await runTask("train:2d", ["three.csv", "--condition", "label", ...SMALL, "--out", "run"], cwd)).code, 0);
    const data = ["run", "--data", "test.csv"];
    for (const given of ["data", "none"]) {
      const paired = await nll(cwd, ...data, "--given", given);
      const ode = await nll(cwd, ...data, "--given", given, "--estimator", "ode");
      ok(Math.abs(ode.nats - paired.nats) < 0.05 + 3 * paired.noise_stderr, `${given}: ${ode.nats}, ${paired.nats}`);
    }
  }));

Deno.test("a U-Net of diffusers has all three, the bound by its own steps and as a density", () =>
  inFolder(async (cwd) => {
    const args = [WEIGHTS, "--data", IMAGES, "--samples", "2", "--out", "out", "--backend", "onnx-cpu"];
    const quick = ["--rounds", "2", "--tolerance", "0.02", "--steps", "12"];
    const all = await nll(cwd, ...args, ...quick, "--estimator", "all");
    const names = await namesIn(join(cwd, "out/nll"));
    const bound = JSON.parse(await Deno.readTextFile(join(cwd, "out/nll/images.h5-elbo-2_samples.json")));
    deepEqual([bound.schedule, bound.steps, bound.data_kind, bound.variance], ["model", 12, "discrete", "fixed_large"]);
    // 192 values in steps of 2/255: log2(127.5) bits each.
    const offset = all.estimates.elbo.nats - bound.nats;
    ok(Math.abs(offset / (192 * Math.LN2) + Math.log2(127.5)) < 1e-9, `${offset}`);
    const ode = JSON.parse(await Deno.readTextFile(join(cwd, "out/nll/images.h5-ode-2_samples.json")));
    deepEqual([ode.divergence, ode.rounds, ode.tolerance], ["estimated", 2, 0.02]);
    ok(ode.noise_stderr > 0 && ode.log_scale > 0);
    ok(names.includes("images.h5-all-2_samples.svg"), `${names}`);
    const more = await runTask("nll", [...args, "--estimator", "elbo", "--steps", "2000"], cwd);
    equal(more.code, 2);
    match(more.stderr, /--steps is 2000, but the model's diffusion has 1000 steps/);
    // With noise within a step it bounds −log P, as papers on flows have it.
    const dequantised = await nll(
      cwd,
      ...args,
      "--estimator",
      "ode",
      "--dequantise",
      "--tolerance",
      "0.02",
      "--rounds",
      "1",
    );
    ok(dequantised.dequantised && dequantised.log_scale === undefined && dequantised.nats > ode.nats);
  }));

Deno.test("a flow that Ctrl-C stops keeps its samples, and goes on to what it would have given", () =>
  inFolder(async (cwd) => {
    const gate = await Gate.make(cwd);
    const train = ["scg", "--points", "300", "--denoiser", "./gated.ts", "--epochs", "1", "--figures", "off"];
    const plain = ["--reference", "none", "--logsnr-loc", "2", "--logsnr-scale", "2"];
    const trained = await runTask("train:2d", [...train, ...plain, "--backend", "tfjs-cpu", "--out", "run"], cwd);
    equal(trained.code, 0, trained.stderr);
    const args = ["run", "--part", "validation", "--backend", "tfjs-cpu", "--trust", "./gated.ts"];
    const ode = [...args, "--estimator", "ode", "--tolerance", "1e-4", "--eval-batch-size", "8"];
    await gate.close({ calls: 300 });
    const child = (await taskCommand("nll", ode, cwd)).spawn();
    await gate.reached(child);
    child.kill("SIGINT");
    await gate.open();
    const { code, stderr } = await child.output();
    const text = new TextDecoder().decode(stderr);
    equal(code, 130, text);
    match(text, /Stopped after \d+ samples, and saved\. The same command goes on from there\./);
    const { seconds: _, peak_mb: __, ...resumed } = await nll(cwd, ...ode);
    await Deno.remove(join(cwd, "run/nll"), { recursive: true });
    const { seconds: ___, peak_mb: ____, ...whole } = await nll(cwd, ...ode);
    deepEqual(resumed, whole);
  }));

Deno.test("the bound of weights that say a variance has it, unless another is asked for", () =>
  inFolder(async (cwd) => {
    const weights = await learnedUnet(WEIGHTS, cwd);
    const args = [weights, "--data", IMAGES, "--samples", "2", "--estimator", "elbo", "--steps", "10", "--out", "out"];
    const { code, stdout, stderr } = await runTask("nll", args, cwd);
    equal(code, 0, stderr);
    match(stderr, /variance: the network's own, learned_range, is used by the estimator elbo alone/);
    match(stdout, / {5}of 10 of the model's 1000 steps, with variances learned_range: prior /);
    const fixed = await nll(cwd, ...args, "--variance", "fixed_large");
    equal(fixed.variance, "fixed_large");
  }));

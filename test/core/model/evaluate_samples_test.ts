import { deepEqual, equal, ok, rejects } from "assert";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { evaluateSamples, fit, loadData, loadModel, Random, saveModel } from "../../../core/mod.ts";
import { inFolder } from "../../folders.ts";
import { runTask } from "../../tasks/command.ts";

const SMALL = { epochs: 2, batchSize: 64, denoiserOptions: { width: 16, blocks: 1 }, threads: 1 } as const;

async function evaluated(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await runTask("evaluate", ["run", ...args, "--threads", "1", "--json"], cwd);
  equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("samples are judged as the task evaluate judges them, number for number", () =>
  inFolder(async (cwd) => {
    const random = Random.fromSeed(2),
      lines = Array.from({ length: 400 }, () => {
        const isLarge = random.uniform() < 0.5, mass = (isLarge ? 50 : 40) + 2 * random.normal();
        return [mass.toFixed(2), isLarge ? "large" : "small"].map((cell) => random.uniform() < 0.1 ? "" : cell).join();
      });
    await Deno.writeTextFile(join(cwd, "t.csv"), `mass,size\n${lines.join("\n")}\n`);
    for (const name of ["scg", join(cwd, "t.csv")]) {
      const path = join(cwd, "run");
      const data = await loadData(name, name === "scg" ? { options: { points: 400 } } : {});
      {
        await using fitted = await fit(data, SMALL);
        await saveModel(fitted, path);
      }
      await using model = await loadModel(path, { threads: 1 });
      const own = await evaluateSamples(model, { count: 30, steps: 20, seed: 3, sampler: "ddim" });
      const told = await evaluated(cwd, "--count", "30", "--steps", "20", "--seed", "3", "--sampler", "ddim");
      deepEqual([own.rows, own.trainingRows, own.findings], [told.rows, told.training_rows, told.findings]);
      deepEqual(own.slicedWasserstein.value, told.sliced_wasserstein.value);
      deepEqual(own.nearest.samples.closer, told.nearest.samples.closer);
      deepEqual(
        own.columns.map(({ name, wasserstein }) => [name, wasserstein?.value]),
        told.columns.map((
          each: { name: string; wasserstein?: { value: number } },
        ) => [each.name, each.wasserstein?.value]),
      );
      await Deno.remove(path, { recursive: true });
    }
  }));

Deno.test("rows of a program are judged by the rows that it gives, and copies are found", async () => {
  const before = tf.memory().numTensors, random = Random.fromSeed(4);
  const rows = (count: number) => Array.from({ length: count }, () => [random.normal(), 100 * random.normal()]);
  {
    await using model = await fit(rows(200), { ...SMALL, backend: "tfjs-cpu", evalBatchSize: 64 });
    const training = rows(200), heldOut = rows(100);
    const copies = await evaluateSamples(model, { samples: training.slice(0, 100), heldOut, training });
    ok(copies.nearest.samples.copies === 1 && copies.findings.join().includes("memorised"), copies.findings.join());
    const other = await evaluateSamples(model, { samples: rows(100), heldOut, training });
    deepEqual([other.findings, other.rows, other.trainingRows], [[], 100, 200]);
    const drawn = () => evaluateSamples(model, { heldOut, training, count: 24, steps: 2, batchSize: 24 });
    deepEqual(await drawn(), await drawn());
    const tensors = tf.memory().numTensors;
    await drawn();
    equal(tf.memory().numTensors, tensors, "flat over calls");
    for (
      const [attempt, pattern] of [
        [evaluateSamples(model, { samples: rows(10), heldOut, training }), /There are 10 samples to compare/],
        [evaluateSamples(model, { count: 1.5 }), /count is 1\.5; it must be a whole number/],
        [evaluateSamples(model, { count: 60 }), /--count is 60, but there are 20 held-out rows/],
        [evaluateSamples(model, { samples: [[1, 2, 3]], heldOut, training }), /has 3 values, expected 2/],
        [evaluateSamples(model, { heldOut, signal: AbortSignal.abort(new Error("Enough.")) }), /Enough/],
      ] as const
    ) await rejects(attempt, pattern);
  }
  equal(tf.memory().numTensors, before);
});

import { equal, ok } from "assert";
import { join } from "node:path";
import { loadModel } from "../../core/mod.ts";
import { SAMPLERS } from "../../core/diffusion/sampling.ts";
import { Random } from "../../core/random/random.ts";
import { inFolder } from "../folders.ts";
import { labelledRows } from "../labelled.ts";
import { logistic, nearest, separation } from "../two_sample.ts";
import { runTask } from "./command.ts";

/** Of each set; half of them are held out. */
const COUNT = 1000;

const points = (rows: readonly number[][]) => Float32Array.from(rows.flatMap(([x, y]) => [x, y]));

Deno.test("no classifier tells what a trained model draws, given a class or nothing, from fresh data", () =>
  inFolder(async (cwd) => {
    const random = Random.fromSeed(0), label = 1;
    const table = labelledRows(random.split("train"), 6000).map((row) => row.join()).join("\n");
    await Deno.writeTextFile(join(cwd, "three.csv"), `x,y,label\n${table}\n`);
    const settings = ["--width", "16", "--blocks", "1", "--epochs", "4", "--figures", "off", "--out", "run"];
    const { code, stderr } = await runTask("train:2d", ["three.csv", "--condition", "label", ...settings], cwd);
    equal(code, 0, stderr);
    await using model = await loadModel(join(cwd, "run"), { threads: 1 });
    const fresh = [undefined, label].map((only) =>
      points(labelledRows(random.split("fresh").split(only ?? 9), COUNT, only))
    );
    const draw = (sampler: typeof SAMPLERS[number], guidance: number) =>
      model.sample(COUNT, {
        ...{ sampler, guidance, given: { label }, batchSize: COUNT, seed: 1 },
        steps: sampler === "ode" ? 40 : 120,
      });
    for (const sampler of SAMPLERS) {
      for (const guidance of [0, 1]) {
        const drawn = await draw(sampler, guidance);
        for (const classifier of [logistic, nearest(25)]) {
          const { rate, stderr } = separation(drawn, fresh[guidance], classifier);
          ok(Math.abs(rate - 0.5) < 3 * stderr, `${sampler} at ${guidance}: ${rate} told apart by ${classifier.name}`);
        }
      }
    }
    // What is drawn more typically than p(x | c), or from p(x), is told apart by the same.
    for (const guidance of [0, 3]) {
      const drawn = await draw("ode", guidance);
      for (const classifier of [logistic, nearest(25)]) ok(separation(drawn, fresh[1], classifier).rate > 0.65);
    }
  }));

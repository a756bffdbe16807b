import { deepEqual, equal, ok } from "assert";
import type { RunConfig } from "../../../core/run/config.ts";
import { shellWord } from "../../../core/options/shell_word.ts";
import { commandsOf, settingsOf } from "../../../core/report/settings.ts";
import { CONFIG } from "../run/runs.ts";

async function train(config: Partial<RunConfig>): Promise<string> {
  const whole = { ...CONFIG, backend: "auto", batchSize: 128, ...config } as RunConfig;
  const settings = await settingsOf(whole);
  return commandsOf({ config: whole, path: "runs/x", hasModel: true, isFinished: true }, settings)[0].command;
}

Deno.test("the command to train again has what differs from the defaults, and what they do not decide", async () => {
  const always = "--denoiser gaussian --epochs 3 --batch-size 128 --proposal fixed --learning-rate 0.001 " +
    "--validation-levels 1 --logsnr-loc 1 --logsnr-scale 1.5 --threads 1";
  equal(await train({}), `deno task train:2d scg ${always}`);
  equal(await train({ seed: 7 }), `deno task train:2d scg ${always.replace(" --threads", " --seed 7 --threads")}`);
  const seed = await train({ recipe: "seed", decay: "constant", ema: 0, estimator: "standard" });
  ok(seed.includes("--recipe seed") && !/--ema|--decay|--estimator/.test(seed), seed);
  ok((await train({ ema: 0 })).includes("--ema 0"));
  const mlp = { hiddenSize: 64, hiddenLayers: 3, embedding: false, embeddingSize: 128, skip: "auto" };
  const own = await train({ denoiser: "mlp", denoiserOptions: mlp });
  ok(own.endsWith("--hidden-size 64 --embedding off"), own);
});

Deno.test("plugins that cannot be loaded keep all of their options", async () => {
  const command = await train({ dataset: "/none/points.csv", datasetOptions: { columns: "a b" } });
  ok(command.startsWith("deno task train:2d /none/points.csv"), command);
  ok(command.endsWith("--columns 'a b'"), command);
});

Deno.test("what a configuration says is never more than words to a shell", async () => {
  const hostile = "x'; rm -rf ~; $(id) `id` \n &";
  const command = await train({
    dataset: hostile,
    denoiserOptions: { [hostile]: "1", fine: hostile, "a;b": 2 },
    task: hostile,
  });
  const quoted = shellWord(hostile);
  equal(command.replaceAll(quoted, "W").match(/W/g)?.length, 3);
  ok(!command.replaceAll(quoted, "").includes("rm"), command);
  const { stdout } = await new Deno.Command("sh", { args: ["-c", `printf %s ${quoted}`] }).output();
  equal(new TextDecoder().decode(stdout), hostile);
  deepEqual(["moons", "a/b-c.d:e", "", "~"].map(shellWord), ["moons", "a/b-c.d:e", "''", "'~'"]);
});

import { equal, ok } from "assert";
import { join } from "node:path";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { parseBoundedJson, PYTHON_BOUNDS } from "../../core/io/bounded_json.ts";
import { Random } from "../../core/random/random.ts";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
import { parseSchedule } from "../../denoisers/unet_pretrained/schedule.ts";
import { inFolder } from "../folders.ts";
import { runPython } from "../python.ts";

const PACKAGES = ["torch", "diffusers", "safetensors"];

interface Case {
  readonly form: string;
  /** The scheduler's alphas_cumprod; none of noise levels. */
  readonly levels: readonly number[] | null;
}

Deno.test("pipelines of every scheduler and form of weights are read, and exported to the bit", async (t) => {
  await inFolder(async (cwd) => {
    const [original, exported] = [join(cwd, "original"), join(cwd, "exported")];
    await Deno.mkdir(original);
    await runPython("pipelines.py", ["make", original], PACKAGES);
    const cases: Record<string, Case> = JSON.parse(await Deno.readTextFile(join(original, "cases.json")));
    await t.step(`the levels of ${Object.keys(cases).length} schedulers are diffusers'`, async () => {
      for (const [name, { levels }] of Object.entries(cases)) {
        const bytes = await Deno.readFile(join(original, name, "scheduler", "scheduler_config.json"));
        const json = parseBoundedJson(bytes, PYTHON_BOUNDS, name) as Record<string, unknown>;
        const schedule = parseSchedule(json, name);
        if (levels === null) {
          equal(schedule.prediction, "score");
          continue;
        }
        equal(schedule.prediction, json.prediction_type, name);
        const { logsnr } = schedule.diffusion!;
        // One without signal is none of these.
        ok(logsnr.length === levels.length || logsnr.length === levels.length - 1 && levels.at(-1)! < 1e-6, name);
        logsnr.forEach((alpha, i) => {
          const got = 1 / (1 + Math.exp(-alpha));
          ok(Math.abs(got - levels[i]) <= 2e-3 * levels[i], `${name}, step ${i}: ${got}, expected ${levels[i]}`);
        });
      }
    });
    await t.step("imported, exported, and loaded by diffusers as they were", async () => {
      const shape = [3, 8, 8], info = { shape, gaussian: standardGaussian(192) };
      for (const name of Object.keys(cases)) {
        const { form, init } = await create(info, { weights: join(original, name) });
        const target = join(exported, name);
        await Deno.mkdir(target, { recursive: true });
        for (const [file, text] of Object.entries(form!.files)) await Deno.writeTextFile(join(target, file), text);
        const weights = encodeSafetensors(init(Random.fromSeed(0)), { format: "pt" });
        await Deno.writeFile(join(target, form!.weights), weights);
      }
      await runPython("pipelines.py", ["check", original, exported], PACKAGES);
    });
  });
});

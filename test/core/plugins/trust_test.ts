import { deepEqual, equal, rejects } from "assert";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { loadModel } from "../../../core/mod.ts";
import {
  isForeign,
  isSamePlugin,
  namedAgain,
  RESUME_OPTIONS,
  TRUST_OPTIONS,
  TrustError,
} from "../../../core/plugins/trust.ts";
import { inFolder } from "../../folders.ts";
import { makeRun } from "../run/runs.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

Deno.test("the project's own plugins and files of data are no code from elsewhere, by name, path or URL", () => {
  for (
    const spec of ["mlp", "unet_pretrained", "nothing", join(ROOT, "denoisers/mlp.ts"), `${ROOT}denoisers/mixture`]
  ) {
    equal(isForeign("denoisers", spec), false, spec);
  }
  equal(isForeign("denoisers", pathToFileURL(join(ROOT, "denoisers/mlp.ts")).href), false);
  for (const spec of ["moons", "points.csv", "/x/photos.h5:x", "C:\\x.npy", "file:///x/points.csv"]) {
    equal(isForeign("datasets", spec), false, spec);
  }
  for (
    const spec of [
      ...[
        "./mine.ts",
        "mine.js",
        "/x/mine",
        "npm:mine",
        "HTTPS://example.org/x.ts",
        "http://x/points.csv",
        "./points.csv",
      ],
      ...[
        "file:///x/mine.ts",
        join(ROOT, "datasets/moons.ts"),
        join(ROOT, "denoisers/../mine.ts"),
        "data:text/javascript,1",
      ],
    ]
  ) equal(isForeign("denoisers", spec), true, spec);
  equal(isForeign("datasets", join(ROOT, "core/mod.ts")), true);
});

Deno.test("two ways of writing the same path or URL name the same plugin", () => {
  const here = Deno.cwd();
  const same = (a: string, b: string) => isSamePlugin("denoisers", a, b);
  deepEqual([same("./mine.ts", `${here}/mine.ts`), same("mine.ts", `file://${here}/x/../mine.ts`)], [true, true]);
  deepEqual([same("https://Example.org:443/x.ts", "https://example.org/x.ts"), same("npm:a", "npm:a")], [true, true]);
  deepEqual([same("npm:a", "npm:b"), same("./mine.ts", "./other.ts"), same("mine", "./mine.ts")], [
    false,
    false,
    false,
  ]);
  deepEqual([same("https://a/x.ts", "http://a/x.ts"), same("https://a/x.ts?1", "https://a/x.ts")], [false, false]);
});

Deno.test("commands name code from elsewhere again, and nothing else", () => {
  const plugins = { denoisers: "/x y/mine.ts", datasets: "https://example.org/points.ts" };
  deepEqual(namedAgain(plugins, RESUME_OPTIONS), ["--denoiser", "'/x y/mine.ts'", "--dataset", plugins.datasets]);
  deepEqual(namedAgain(plugins, { denoisers: TRUST_OPTIONS.denoisers }), ["--trust", "'/x y/mine.ts'"]);
  deepEqual(namedAgain({ denoisers: "mlp", datasets: "points.xlsx" }, RESUME_OPTIONS), []);
});

Deno.test("a program that loads a run names its code, or gives the denoiser", () =>
  inFolder(async (folder) => {
    const mine = join(folder, "mine.js"), ran = join(folder, "ran");
    await Deno.writeTextFile(
      mine,
      `Deno.writeTextFileSync(${JSON.stringify(ran)}, "");
      export const create = () => ({ init: () => ({}), predict: (_, z) => z });`,
    );
    const isRun = () => Deno.stat(ran).then(() => true, () => false);
    const run = join(folder, "run");
    await Deno.mkdir(run);
    await makeRun(run, { shape: [2] }, { config: { denoiser: mine } });
    for (const options of [{}, { trust: [] }, { trust: [join(folder, "other.js")] }]) {
      await rejects(
        loadModel(run, options),
        new TrustError(
          `The run's denoiser ${mine} is code from outside the project, which a run cannot have run by naming it. Pass ` +
            `the option denoiser, or, if you trust that code, trust: ["${mine}"].`,
        ),
      );
      equal(await isRun(), false);
    }
    const predict = (_: unknown, z: unknown) => z as never;
    await using given = await loadModel(run, { denoiser: { create: () => ({ init: () => ({}), predict }) } });
    equal(given.epoch, 3);
    equal(await isRun(), false);
    await using trusted = await loadModel(run, { trust: [mine] });
    equal(trusted.epoch, 3);
    equal(await isRun(), true);
  }));

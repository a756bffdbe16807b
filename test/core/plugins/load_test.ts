import assert from "assert";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { listPlugins, loadDataset, loadDenoiser, PluginError } from "../../../core/plugins/load.ts";
import { Random } from "../../../core/random/random.ts";
import { toFloat32 } from "../../../core/data/samples.ts";

/** Runs a test with a fresh folder of the given files. */
async function withFiles(files: Record<string, string>, test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(join(folder, path, ".."), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text);
    }
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Expects a {@link PluginError} of one line that matches every pattern. */
async function rejects(promise: Promise<unknown>, ...patterns: RegExp[]): Promise<void> {
  const error = await promise.then(() => assert.fail("nothing was thrown"), (error: unknown) => error);
  assert.ok(error instanceof PluginError, String(error));
  assert.doesNotMatch(error.message, /\n/);
  for (const pattern of patterns) assert.match(error.message, pattern);
}

const points = `export const load = () => ({ shape: [1], train: [1, 2, 3], validation: [4] });`;

Deno.test("a bare name loads the plugin of that name, with its checks", async () => {
  const scg = await loadDataset("scg");
  assert.equal(scg.name, "scg");
  assert.equal(scg.options?.points.default, 8000);
  const data = await scg.load(Random.fromSeed(1), { points: 20 });
  assert.deepEqual([data.shape, data.train.count, data.validation.count], [[2], 18, 2]);
  assert.equal((await loadDataset("dino")).name, "dino", "a folder with a mod.ts");
});

Deno.test("every plugin of the repository that is listed loads", async () => {
  const names = listPlugins("datasets");
  for (const name of ["dino", "moons", "scg", "line", "square", "circle", "ring"]) {
    assert.ok(names.includes(name), name);
  }
  assert.deepEqual(names, names.toSorted());
  for (const name of names) assert.equal((await loadDataset(name)).name, name);
});

Deno.test("a bare name that is unknown is an error with the nearest names and all of them", async () => {
  await rejects(
    loadDataset("moon"),
    /^No data set is called "moon"/,
    /Did you mean moons\?/,
    /There are: .*circle, .*square;/,
  );
  await rejects(loadDataset("zzzzzzzz"), /There are: .*circle/, /zzzzzzzz\.ts/);
  await assert.rejects(loadDataset("zzzzzzzz"), ({ message }) => !/Did you mean/.test(message));
  await rejects(loadDenoiser("zzzzzzzz"), /^No denoiser is called/);
  await rejects(loadDenoiser("mpl"), /Did you mean mlp\?/);
  await rejects(loadDataset(""), /^No data set is called ""/);
  await rejects(loadDataset("__proto__"), /^No data set is called/);
});

Deno.test("dashes and underscores of a name are alike", async () => {
  await withFiles({ "my_points.ts": points }, async (folder) => {
    assert.equal((await loadDataset(join(folder, "my_points.ts"))).name, "my_points");
  });
  for (const kind of ["datasets", "denoisers"] as const) {
    for (const name of listPlugins(kind)) assert.doesNotMatch(name, /_|\.ts/);
  }
});

Deno.test("a path is relative to the working folder, and may be absolute or a folder with a mod.ts", async () => {
  const files = { "a.ts": points, "b.js": points, "c.mjs": points, "folder/mod.ts": points };
  await withFiles(files, async (folder) => {
    for (
      const [path, name] of [["a.ts", "a"], ["b.js", "b"], ["c.mjs", "c"], ["folder", "folder"], [
        "folder/mod.ts",
        "folder",
      ]]
    ) {
      const absolute = join(folder, path);
      assert.equal((await loadDataset(absolute)).name, name);
      assert.equal((await loadDataset(pathToFileURL(absolute).href)).name, name);
      const here = relative(Deno.cwd(), absolute);
      assert.equal((await loadDataset(here)).name, name);
    }
  });
});

Deno.test("a path may hold spaces and characters that URLs reserve", async () => {
  await withFiles({ "a #1 50% ü?.ts": points }, async (folder) => {
    assert.equal((await loadDataset(join(folder, "a #1 50% ü?.ts"))).name, "a #1 50% ü?");
  });
});

Deno.test("a file that is not there is an error with its full path", async () => {
  await rejects(
    loadDataset("./nowhere.ts"),
    /data set \.\/nowhere\.ts is not there/,
    new RegExp(join(Deno.cwd(), "nowhere.ts")),
  );
  await rejects(loadDataset("nowhere.ts"), /is not there/);
  await rejects(loadDenoiser("file:///nowhere/x.ts"), /denoiser file:.* is not there/);
  await rejects(loadDenoiser("file://elsewhere/x.ts"), /is no file of this machine/);
  await rejects(loadDataset("deno.json/x.ts"), /is not there/);
});

Deno.test("a module that fails to load is an error of one line with the reason", async () => {
  const files = {
    "syntax.js": "export const load = ;",
    "types.ts": "export const load: = 3;",
    "throws.ts": "throw new RangeError('out of luck\\nand more');",
    "imports.ts": "import './missing.ts';",
    "bare.ts": "import 'no-such-package-in-the-map';",
    "string.ts": "throw 'a string';",
  };
  await withFiles(files, async (folder) => {
    const fails = (file: string, ...patterns: RegExp[]) =>
      rejects(loadDataset(join(folder, file)), new RegExp(`The data set .*${file} fails to load: `), ...patterns);
    await fails("syntax.js", /SyntaxError/);
    await fails("types.ts", /expected/i);
    await fails("throws.ts", /RangeError: out of luck$/);
    await fails("imports.ts", /missing\.ts/);
    await fails("bare.ts", /no-such-package-in-the-map/);
    await fails("string.ts", /a string$/);
  });
});

Deno.test("a module that breaks the contract is an error that names each export", async () => {
  const files = {
    "none.ts": "export {};",
    "other.ts": "export const lode = 1, options = {};",
    "type.ts": "export const load = 3;",
    "options.ts":
      "export const load = () => {}; export const options = { a: 3, b: { default: [] }, c: { default: 1, help: 2 } };",
    "array.ts": "export const load = () => {}; export const options = [];",
  };
  await withFiles(files, async (folder) => {
    const path = (file: string) => join(folder, file);
    await rejects(
      loadDataset(path("none.ts")),
      /load is missing, expected a function \(random/,
      /It exports nothing\.$/,
    );
    await rejects(loadDenoiser(path("none.ts")), /create is missing, expected a function \(data/);
    await rejects(loadDataset(path("other.ts")), /load is missing/, /It exports lode, options\.$/);
    await rejects(loadDataset(path("type.ts")), /load is 3, expected a function/);
    await rejects(
      loadDataset(path("options.ts")),
      /options\.a is 3,/,
      /options\.b\.default is \[\],/,
      /options\.b\.help is undefined,/,
      /options\.c\.help is 2,/,
    );
    await rejects(loadDataset(path("array.ts")), /options is \[\], expected an object/);
  });
});

Deno.test("defaults and recipes must be within an option's own limits", async () => {
  const optionsOf = (...specs: string[]) => `{ ${specs.map((spec, i) => `${"abcdefgh"[i]}: { help: "", ${spec} }`)} }`;
  const create = "export const create = () => {}, ";
  const files = {
    "limits.ts": `${create} options = ${
      optionsOf("default: 0, above: 0", "default: 1.5, integer: true", "default: NaN")
    }`,
    "choices.ts": `${create} options = ${optionsOf("default: 'x', choices: ['y', 'z']", "default: '', choices: 'y'")}`,
    "bounds.ts": `${create} options = ${optionsOf("default: 1, min: '0'")}`,
    "recipes.ts": `${create} options = ${optionsOf("default: 1, min: 0", "default: true")},
      recipes = { seed: { a: -1, b: "off", c: 3 }, other: 3 }`,
    "good.ts": `${create} options = ${optionsOf("default: 1, min: 0", "default: true", "default: ''")},
      recipes = { seed: { a: 0, b: false, c: "text" } }`,
  };
  await withFiles(files, async (folder) => {
    const load = (file: string) => loadDenoiser(join(folder, file));
    await rejects(
      load("limits.ts"),
      /options\.a\.default is refused: --a is 0; it must be a number above 0; /,
      /options\.b\.default is refused: --b is 1\.5; it must be a whole number; /,
      /options\.c\.default is refused: --c is NaN; it must be a number\. /,
    );
    await rejects(
      load("choices.ts"),
      /options\.a\.default is refused: --a is x; it must be one of y or z; /,
      /options\.b\.choices is "y", expected an array of strings/,
    );
    await rejects(load("bounds.ts"), /options\.a\.min is "0", expected a number/);
    await rejects(
      load("recipes.ts"),
      /recipes\.seed\.a is refused: --a is -1; it must be a number of at least 0; /,
      /recipes\.seed\.b is "off", expected a boolean; /,
      /recipes\.seed\.c is no option, expected one of a, b; /,
      /recipes\.other is 3, expected an object of option values\. /,
    );
    const good = await load("good.ts");
    assert.deepEqual(good.recipes, { seed: { a: 0, b: false, c: "text" } });
    assert.equal(good.options?.c.default, "");
  });
});

Deno.test("a plugin outside the repository gets the tfjs of the repository, under either of its names", async () => {
  const plugin = (name: string) =>
    `export { Tensor } from "${name}"; export const create = () => ({ init: () => ({}), predict: (_, z) => z });`;
  const { Tensor } = await import("@tensorflow/tfjs");
  const files = { "map.ts": plugin("@tensorflow/tfjs"), "npm.ts": plugin("npm:@tensorflow/tfjs@4.22.0") };
  await withFiles(files, async (folder) => {
    for (const file of Object.keys(files)) {
      await loadDenoiser(join(folder, file));
      const exports = await import(pathToFileURL(join(folder, file)).href);
      assert.ok(exports.Tensor === Tensor, file);
    }
  });
});

Deno.test("what a plugin loads or creates is checked", async () => {
  const files = {
    "bad.ts": "export const load = () => ({ shape: [2], train: [[1, 2], [3, NaN]], validation: [[1, 2]] });",
    "async.ts": "export async function load() { return { train: [[1, 2], [3, 4]], validation: [[5, 6]] }; }",
    "denoiser.ts": "export const create = () => ({ init() { return {}; } });",
    "nothing.ts": "export const create = async () => {};",
    "good.ts": "export const create = async () => ({ init: () => ({}), predict: (_, z) => z });",
  };
  const data = { shape: [2], gaussian: { mean: new Float64Array(2), eigenvalues: Float64Array.of(1, 1) } };
  await withFiles(files, async (folder) => {
    const path = (file: string) => join(folder, file);
    const bad = await loadDataset(path("bad.ts"));
    await rejects(
      (async () => await bad.load(Random.fromSeed(1), {}))(),
      /The data set bad has NaN in row 1, column 1/,
    );
    const loaded = await (await loadDataset(path("async.ts"))).load(Random.fromSeed(1), {});
    assert.deepEqual(loaded.shape, [2]);
    assert.deepEqual(toFloat32(loaded.train), Float32Array.of(1, 2, 3, 4));
    assert.deepEqual(toFloat32(loaded.validation), Float32Array.of(5, 6));
    const create = async (file: string) => await (await loadDenoiser(path(file))).create(data, {});
    await rejects(create("denoiser.ts"), /The denoiser denoiser has predict undefined, expected a function/);
    await rejects(create("nothing.ts"), /The denoiser nothing created undefined, expected/);
    assert.deepEqual((await create("good.ts")).init(Random.fromSeed(1)), {});
  });
});

/**
 * Loads data sets in another process and gives what it printed of each: its name and rows, or the error. Deno pins what
 * it imports from a URL in the lock file, which this one therefore goes without.
 */
async function loadElsewhere(permissions: string[], specs: string[]): Promise<string[]> {
  const script = `
    import { loadDataset } from "${new URL("../../../core/plugins/load.ts", import.meta.url)}";
    import { Random } from "${new URL("../../../core/random/random.ts", import.meta.url)}";
    import { toFloat32 } from "${new URL("../../../core/data/samples.ts", import.meta.url)}";
    for (const spec of Deno.args) {
      try {
        const { name, load } = await loadDataset(spec);
        console.log(name, ...toFloat32((await load(Random.fromSeed(1), {})).train));
      } catch (error) {
        console.log(error.name, error.message);
      }
    }`;
  let printed = "";
  await withFiles({ "main.js": script }, async (folder) => {
    const config = ["--config", fileURLToPath(new URL("../../../deno.json", import.meta.url))];
    const options = ["--no-lock", "--quiet", "--no-prompt", "--allow-read", ...permissions];
    const args = ["run", ...config, ...options, join(folder, "main.js"), ...specs];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    printed = new TextDecoder().decode(stdout);
    assert.equal(new TextDecoder().decode(stderr), "");
  });
  return printed.trimEnd().split("\n");
}

Deno.test("a plugin is imported from an http URL, if imports from there are allowed", async () => {
  const text = `${points} const typed: number = 1; void typed;`;
  const server = Deno.serve(
    { port: 0, hostname: "localhost", onListen: () => {} },
    ({ url }) =>
      new URL(url).pathname === "/plugins/remote_points.ts"
        ? new Response(text, { headers: { "content-type": "application/typescript" } })
        : new Response(null, { status: 404 }),
  );
  try {
    const host = `localhost:${server.addr.port}`, plugin = `http://${host}/plugins/remote_points.ts?version=2`;
    const [loaded, absent] = await loadElsewhere([`--allow-import=${host}`], [
      plugin,
      `http://${host}/plugins/absent.ts`,
    ]);
    assert.equal(loaded, "remote_points 1 2 3");
    assert.match(absent, /^PluginError The data set .*absent\.ts fails to load: /);
    const [refused] = await loadElsewhere([], [plugin]);
    assert.equal(
      refused,
      `PluginError The data set ${plugin} fails to load: imports from ${host} are not allowed. If you trust it, run Deno ` +
        `with --no-lock --allow-import=${host}.`,
    );
  } finally {
    await server.shutdown();
  }
});

Deno.test("a package is a plugin too, under the same contract", async () => {
  await rejects(
    loadDenoiser("npm:leven@^4.1.0"),
    /denoiser npm:leven@\^4\.1\.0 breaks its contract: create is missing/,
  );
});

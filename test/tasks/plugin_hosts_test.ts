import { deepEqual, equal, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "../core/io/file_server.ts";
import { inFolder } from "../folders.ts";
import { taskArguments } from "./command.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const DENOISER = "export const create = () => ({ init: () => ({}), predict: (_, z) => z });";

const TRAINING = ["scg", "--points", "60", "--epochs", "1", "--figures", "off", "--reference", "none", "--quiet"];

async function runDeno(args: readonly string[], cwd: string) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    ...{ args: [...args], cwd, stdin: "null", stdout: "null", stderr: "piped", env: { NO_COLOR: "1" } },
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("a plugin's host is asked for in one line that says what to run, which then runs and leaves deno.lock", () =>
  inFolder(async (cwd) => {
    await using server = serve(() => new Response(DENOISER, { headers: { "content-type": "application/javascript" } }));
    // A name that no cache has from a server at the same port.
    const url = `${server.url}/${crypto.randomUUID()}.js`, host = server.url.slice("http://".length);
    const lock = await Deno.readTextFile(join(ROOT, "deno.lock"));
    const args = [...TRAINING, "--denoiser", url];
    const refused = await runDeno(await taskArguments("train:2d", args), cwd);
    const flags = "-P=model --allow-sys=cpus,homedir,hostname,networkInterfaces,systemMemoryInfo";
    const command = `deno run --quiet ${flags} --no-lock --allow-import=${host} tasks/train_2d.ts`;
    equal(
      refused.stderr,
      `error: The denoiser ${url} fails to load: imports from ${host} are not allowed. If you trust it, run ${command} ` +
        "with the same arguments.\n",
    );
    equal(refused.code, 2);
    equal(server.seen.length, 0);
    // What is said to be typed, in the project's folder.
    const { code, stderr } = await runDeno([...command.split(" ").slice(1), ...args, "--out", join(cwd, "run")], ROOT);
    equal(code, 0, stderr);
    equal(server.seen.length, 1);
    ok((await Deno.stat(join(cwd, "run", "summary.json"))).isFile);
    equal(await Deno.readTextFile(join(ROOT, "deno.lock")), lock);
  }));

Deno.test("a sweep asks for a plugin's host before its first run, and its runs are then given it", () =>
  inFolder(async (cwd) => {
    await using server = serve(() => new Response(DENOISER, { headers: { "content-type": "application/javascript" } }));
    // A name that no cache has from a server at the same port.
    const url = `${server.url}/${crypto.randomUUID()}.js`, host = server.url.slice("http://".length);
    const lock = await Deno.readTextFile(join(ROOT, "deno.lock"));
    const sweep = [`train:2d ${TRAINING.join(" ").replace("--quiet", "")}--denoiser ${url} --seed {0,1}`, "--out", "s"];
    const refused = await runDeno(await taskArguments("sweep", sweep), cwd);
    equal(
      refused.stderr,
      `error: The runs import ${url}, but imports from ${host} are not allowed. If you trust it, add --allow-import ${host}.\n`,
    );
    deepEqual([refused.code, server.seen.length, [...Deno.readDirSync(cwd)].length], [2, 0, 0]);
    const { code, stderr } = await runDeno(await taskArguments("sweep", [...sweep, "--allow-import", host]), cwd);
    equal(code, 0, stderr);
    ok(server.seen.length >= 1);
    for (const seed of [0, 1]) ok((await Deno.stat(join(cwd, "s", `seed-${seed}`, "summary.json"))).isFile);
    equal(await Deno.readTextFile(join(ROOT, "deno.lock")), lock);
  }));

Deno.test("neither a host of the usual ones nor a package that deno.lock has not is fetched by a task", () =>
  inFolder(async (cwd) => {
    const lock = await Deno.readTextFile(join(ROOT, "deno.lock"));
    for (
      const [plugin, why] of [
        ["https://raw.githubusercontent.com/x/y/mine.ts", "imports from raw.githubusercontent.com:443 are not allowed"],
        ["npm:leven@3.1.0", "deno.lock does not have it"],
      ]
    ) {
      const { code, stderr } = await runDeno(await taskArguments("train:2d", ["scg", "--denoiser", plugin]), cwd);
      equal(code, 2, stderr);
      ok(
        stderr.startsWith(`error: The denoiser ${plugin} fails to load: ${why}. If you trust it, run deno run `),
        stderr,
      );
      ok(stderr.includes(" --no-lock ") && stderr.trimEnd().split("\n").length === 1, stderr);
    }
    equal(await Deno.readTextFile(join(ROOT, "deno.lock")), lock);
  }));

Deno.test("a package that deno.lock has, and a file by its URL, are plugins of a task as they stand", () =>
  inFolder(async (cwd) => {
    const known = await runDeno(await taskArguments("train:2d", ["scg", "--denoiser", "npm:leven@^4.1.0"]), cwd);
    ok(known.stderr.startsWith("error: The denoiser npm:leven@^4.1.0 breaks its contract: "), known.stderr);
    await Deno.writeTextFile(join(cwd, "mine.js"), DENOISER);
    const args = [...TRAINING, "--denoiser", `file://${cwd}/mine.js`];
    const { code, stderr } = await runDeno(await taskArguments("train:2d", args), cwd);
    equal(code, 0, stderr);
  }));

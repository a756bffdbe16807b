import { deepEqual, equal, match } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PACKAGES_VARIABLE } from "../../core/engine/tfjs_package.ts";
import { inFolder } from "../folders.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Runs Deno and gives what it printed. */
async function deno(args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Installs the package as its task does, beside another deno.json. */
async function install(cwd: string): Promise<void> {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  await Deno.writeTextFile(join(cwd, "deno.json"), JSON.stringify({ tasks }));
  const { code, stderr } = await deno(["task", "install:tfjs-webgpu"], cwd);
  equal(code, 0, stderr);
}

/** Runs a script of the engine's with the package. */
function runScript(cwd: string, script: string, env: Readonly<Record<string, string>> = {}) {
  const from = `import * as tf from "@tensorflow/tfjs"; import { createEngine } from "./core/engine/mod.ts";`;
  return deno(["eval", "--quiet", `${from}\n${script}`], ROOT, { ...env, [PACKAGES_VARIABLE]: cwd });
}

/** Steps that the device has the memory for, one that it has not, and what is then left. */
const STEPS = `
  const engine = await createEngine("tfjs-webgpu", 1);
  const state = engine.createState({ w: { shape: [2], data: Float32Array.of(1, 2) } });
  const attempt = async (work) => {
    try {
      return await work();
    } catch (error) {
      return { name: error.name, message: error.message };
    }
  };
  const double = await engine.compile(({ w }) => ({ outputs: { was: w }, state: { w: tf.mul(w, 2) } }), state, {});
  const sum = () => tf.sum(tf.fill([2 ** 20, 2 ** 13], 1));
  const large = await engine.compile(({ w }) => ({ outputs: {}, state: { w: tf.add(w, sum()) } }), state, {});
  const results = [];
  const tensors = [];
  for (let i = 0; i < 5; i++) {
    results.push(Array.from((await double.run({})).was));
    tensors.push(tf.memory().numTensors);
  }
  results.push(new Set(tensors).size, Array.from((await state.read()).w.data));
  const failures = [];
  for (const work of [() => large.run({}), () => double.run({}), () => state.read()]) failures.push(await attempt(work));
  console.log(JSON.stringify({ results, failures }));
`;

const asked = `console.log(await navigator.gpu?.requestAdapter() ? "found" : "none")`;
const { stdout: adapter } = await deno(["eval", "--quiet", asked], ROOT, { DENO_WEBGPU_BACKEND: "vulkan" });
const ignore = Deno.build.os !== "linux" || adapter.trim() !== "found";
if (ignore) console.log("tfjs-webgpu: not tried: there is no Vulkan.");

Deno.test("tfjs-webgpu: the task installs it; a device that fails is told in one line and read no more", {
  ignore,
}, () =>
  inFolder(async (cwd) => {
    await install(cwd);
    const { code, stdout, stderr } = await runScript(cwd, STEPS);
    equal(code, 0, stderr);
    equal(stderr, "");
    const { results, failures } = JSON.parse(stdout);
    deepEqual(results, [[1, 2], [2, 4], [4, 8], [8, 16], [16, 32], 1, [32, 64]]);
    for (const { name, message } of failures) {
      equal(name, "BackendError");
      match(message, /^A tensor is too large for the device \(tfjs-webgpu: .*\)\. Lower --micro-batch-size .*\.$/);
    }

    const none = { VK_ICD_FILENAMES: join(cwd, "none.json"), VK_DRIVER_FILES: join(cwd, "none.json") };
    const absent = await runScript(cwd, `await createEngine("tfjs-webgpu", 1);`, none);
    match(absent.stderr, /BackendError: The backend tfjs-webgpu finds no GPU\. It needs one with its driver: Vulkan/);
  }));

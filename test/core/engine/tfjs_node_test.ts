import { equal, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { join, resolve } from "node:path";
import { loadTfjsNode, TENSORFLOW } from "../../../core/engine/tfjs_node.ts";
import { PACKAGES_VARIABLE, packagesFolder } from "../../../core/engine/tfjs_package.ts";
import { loadTfjsWebgpu } from "../../../core/engine/tfjs_webgpu.ts";
import { inFolder } from "../../folders.ts";

/** Writes a package that does as it is loaded what the real one does. */
async function writePackage(folder: string, name: string, code: string): Promise<void> {
  const path = join(folder, "node_modules", "@tensorflow", name);
  await Deno.mkdir(path, { recursive: true });
  await Deno.writeTextFile(
    join(path, "package.json"),
    JSON.stringify({ name: `@tensorflow/${name}`, main: "index.js" }),
  );
  await Deno.writeTextFile(join(path, "index.js"), code);
}

/** Registers a backend that says of itself what is given. */
function registering(backend: Readonly<Record<string, unknown>>): string {
  return `globalThis._tfengine.registerBackend("${TENSORFLOW}", () => ({ ...${
    JSON.stringify(backend)
  }, dispose() {} }));`;
}

/** Runs a test whose process then has neither a loaded TensorFlow nor its variables. */
async function unloaded(test: (folder: string) => Promise<void>): Promise<void> {
  const names = ["TF_NUM_INTRAOP_THREADS", "TF_CPP_MIN_LOG_LEVEL", PACKAGES_VARIABLE];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of names) Deno.env.delete(name);
  try {
    await inFolder(test);
  } finally {
    await tf.setBackend("cpu");
    if (tf.findBackendFactory(TENSORFLOW)) tf.removeBackend(TENSORFLOW);
    for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  }
}

function failsWith(work: Promise<unknown>, message: RegExp): Promise<void> {
  return rejects(work, (error: Error) => {
    equal(error.name, "BackendError");
    equal(error.message.includes("\n"), false);
    equal(message.test(error.message), true, error.message);
    return true;
  });
}

Deno.test("a backend whose package is not installed names the task that installs it", () =>
  unloaded(async (folder) => {
    for (const backend of ["tfjs-node", "tfjs-node-gpu"] as const) {
      await failsWith(
        loadTfjsNode(backend, 1, folder),
        new RegExp(`^The backend ${backend} is not installed\\. Run deno task install:${backend}\\.$`),
      );
    }
    await failsWith(loadTfjsWebgpu(folder), /not installed\. Run deno task install:tfjs-webgpu\.$/);
  }));

Deno.test("tfjs-node without TensorFlow's library says that its download failed, and what to do", () =>
  unloaded(async (folder) => {
    await writePackage(
      folder,
      "tfjs-node",
      `throw new Error("The Node.js native addon module (tfjs_binding.node) can not be found at path: " + __dirname +
        "/lib/napi-v8/tfjs_binding.node. \\nPlease run command 'npm rebuild @tensorflow/tfjs-node'");`,
    );
    await failsWith(
      loadTfjsNode("tfjs-node", 1, folder),
      /download failed\. Run deno task install:tfjs-node again; .*TFJS_NODE_CDN_STORAGE/,
    );
  }));

Deno.test("a library that does not load is named", () =>
  unloaded(async (folder) => {
    const message = "libtensorflow.so.2: cannot open shared object file: No such file or directory";
    await writePackage(folder, "tfjs-node", `throw new Error(${JSON.stringify(`${message}\n at x`)});`);
    await failsWith(loadTfjsNode("tfjs-node", 1, folder), /^TensorFlow's library .*libtensorflow\.so\.2: .*again\.$/);
  }));

Deno.test("a package that is broken is one line", () =>
  unloaded(async (folder) => {
    await writePackage(folder, "tfjs-node", `require("@mapbox/node-pre-gyp");`);
    await failsWith(loadTfjsNode("tfjs-node", 1, folder), /^The package of tfjs-node does not load: .*node-pre-gyp/);
    await writePackage(folder, "tfjs-node-gpu", "");
    await failsWith(loadTfjsNode("tfjs-node-gpu", 1, folder), /^The backend tfjs-node-gpu does not start\. Run deno/);
  }));

Deno.test("tfjs-node-gpu without a GPU says what it needs rather than to run on the processor", () =>
  unloaded(async (folder) => {
    await writePackage(folder, "tfjs-node-gpu", registering({ isGPUPackage: true, isUsingGpuDevice: false }));
    await failsWith(loadTfjsNode("tfjs-node-gpu", 1, folder), /finds no GPU\. .*CUDA 11\.2 and cuDNN 8\.1/);
  }));

Deno.test("tfjs-node is loaded with its threads and in silence, once for a process", () =>
  unloaded(async (folder) => {
    const backend = { isGPUPackage: false, isUsingGpuDevice: false, binding: { TF_Version: "2.9.1" } };
    await writePackage(
      folder,
      "tfjs-node",
      `const util = require("util");
       if (!util.isNullOrUndefined(null) || util.isNullOrUndefined(0) || !util.isArray([])) throw new Error("util");
       if (process.env.TF_NUM_INTRAOP_THREADS !== "3") throw new Error("threads");
       if (process.env.TF_CPP_MIN_LOG_LEVEL !== "3") throw new Error("log level");
       ${registering(backend)}`,
    );
    const expected = { threads: 3, versions: { tensorflow: "2.9.1" } };
    equal(JSON.stringify(await loadTfjsNode("tfjs-node", 3, folder)), JSON.stringify(expected));
    equal((await loadTfjsNode("tfjs-node", 7, folder)).threads, 3);
    await failsWith(loadTfjsNode("tfjs-node-gpu", 3, folder), /cannot be had beside .* start another process/);
  }));

Deno.test("a level of TensorFlow's log that the user has set stays", () =>
  unloaded(async (folder) => {
    Deno.env.set("TF_CPP_MIN_LOG_LEVEL", "0");
    await failsWith(loadTfjsNode("tfjs-node", 1, folder), /not installed/);
    equal(Deno.env.get("TF_CPP_MIN_LOG_LEVEL"), "0");
  }));

Deno.test("packages are looked for beside deno.json, or where a variable says, which the error then names", () =>
  unloaded(async () => {
    equal(Deno.statSync(join(packagesFolder(), "deno.json")).isFile, true);
    Deno.env.set(PACKAGES_VARIABLE, "elsewhere");
    equal(packagesFolder(), resolve("elsewhere"));
    await failsWith(loadTfjsNode("tfjs-node", 1), /, or unset ITDIFFUSION_PACKAGES, which names ".*elsewhere"/);
  }));

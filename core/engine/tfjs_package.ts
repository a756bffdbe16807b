import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf } from "../errors/user_error.ts";
import { BackendError } from "./program.ts";

/** The environment variable that names another folder whose node_modules is looked in. */
export const PACKAGES_VARIABLE = "ITDIFFUSION_PACKAGES";

/** The backends whose packages are too large to be everyone's download; a task `install:BACKEND` fetches each. */
export type PackagedBackend = "tfjs-node" | "tfjs-node-gpu" | "tfjs-webgpu";

const PACKAGES: Readonly<Record<PackagedBackend, string>> = {
  "tfjs-node": "@tensorflow/tfjs-node",
  "tfjs-node-gpu": "@tensorflow/tfjs-node-gpu",
  "tfjs-webgpu": "@tensorflow/tfjs-backend-webgpu",
};

/** The folder whose node_modules has the backends' packages: beside deno.json, unless a variable names another. */
export function packagesFolder(): string {
  const named = Deno.env.get(PACKAGES_VARIABLE);
  return named ? resolve(named) : fileURLToPath(new URL("../../", import.meta.url));
}

/**
 * Loads a backend's package, which brings its kernels into the one tfjs that a process has.
 *
 * @param folder Whose node_modules is looked in; absolute.
 * @throws {BackendError} When the package is not there or does not load.
 */
export function requireBackend(backend: PackagedBackend, folder: string): void {
  const require = createRequire(join(folder, "package.json"));
  let entry: string;
  try {
    entry = require.resolve(PACKAGES[backend]);
  } catch {
    const elsewhere = Deno.env.get(PACKAGES_VARIABLE)
      ? `, or unset ${PACKAGES_VARIABLE}, which names "${folder}", where it is not`
      : "";
    throw new BackendError(`The backend ${backend} is not installed. Run deno task install:${backend}${elsewhere}.`);
  }
  try {
    require(entry);
  } catch (error) {
    throw loadError(backend, messageOf(error));
  }
}

function loadError(backend: string, message: string): BackendError {
  const again = `Run deno task install:${backend} again`;
  if (/tfjs_binding\.node\)? can ?not be found/.test(message)) {
    return new BackendError(
      `The package of ${backend} is there, but not TensorFlow's library, whose download failed. ${again}; where its ` +
        "host cannot be reached, name another with the same files in TFJS_NODE_CDN_STORAGE (with a slash at its end).",
    );
  }
  const line = message.split("\n")[0].slice(0, 300);
  if (/\b(lib\S*\.(so|dylib)|\S+\.dll)\b/i.test(line)) {
    return new BackendError(`TensorFlow's library for ${backend} does not load: ${line}. ${again}.`);
  }
  return new BackendError(`The package of ${backend} does not load: ${line}. ${again}.`);
}

import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
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
  return Deno.env.get(PACKAGES_VARIABLE) || fileURLToPath(new URL("../../", import.meta.url));
}

/**
 * Loads a backend's package, which brings its kernels into the one tfjs that a process has.
 *
 * @param folder Whose node_modules is looked in.
 * @throws {BackendError} When the package is not there.
 * @throws What the package throws as it loads.
 */
export function requireBackend(backend: PackagedBackend, folder: string): void {
  const require = createRequire(join(folder, "package.json"));
  let entry: string;
  try {
    entry = require.resolve(PACKAGES[backend]);
  } catch {
    throw new BackendError(`The backend ${backend} is not installed. Run deno task install:${backend}.`);
  }
  require(entry);
}

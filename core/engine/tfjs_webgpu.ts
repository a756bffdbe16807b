import * as tf from "@tensorflow/tfjs";
import { runError } from "./backend_errors.ts";
import { BackendError } from "./program.ts";
import { packagesFolder, requireBackend } from "./tfjs_package.ts";
import { registerTrigonometry } from "./tfjs_trigonometry.ts";

const WEBGPU = "webgpu";

/**
 * Starts tfjs's WebGPU backend on Deno's own WebGPU.
 *
 * @param folder Whose node_modules has the package.
 * @returns `check` throws a BackendError when the device has failed.
 * @throws {BackendError} When the package or a GPU is not there.
 */
export async function loadTfjsWebgpu(folder: string = packagesFolder()): Promise<{ check(): Promise<void> }> {
  const backend = "tfjs-webgpu";
  if (!tf.findBackendFactory(WEBGPU)) {
    // A driver that is asked for by name spares the user the complaints of others. Deno reads this once.
    const driver = DRIVERS[Deno.build.os];
    if (driver !== undefined && Deno.env.get("DENO_WEBGPU_BACKEND") === undefined) {
      Deno.env.set("DENO_WEBGPU_BACKEND", driver);
    }
    requireBackend(backend, folder);
  }
  // tfjs itself fails on a missing adapter without a word about it.
  if (!await navigator.gpu?.requestAdapter()) {
    throw new BackendError(
      "The backend tfjs-webgpu finds no GPU. It needs one with its driver: Vulkan on Linux, Direct3D 12 on Windows, " +
        "Metal on macOS.",
    );
  }
  if (!await tf.setBackend(WEBGPU)) throw new BackendError(`The backend ${backend} does not start.`);
  registerTrigonometry(WEBGPU);
  const { device } = tf.backend() as unknown as { device: GPUDevice };
  let failure: string | undefined;
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    failure ??= (event as GPUUncapturedErrorEvent).error.message;
  });
  device.lost.then(({ message }) => failure ??= `device lost: ${message}`);
  return {
    check() {
      return failure === undefined ? Promise.resolve() : Promise.reject(runError(backend, failure));
    },
  };
}

const DRIVERS: Readonly<Partial<Record<typeof Deno.build.os, string>>> = {
  linux: "vulkan",
  darwin: "metal",
  windows: "dx12",
};

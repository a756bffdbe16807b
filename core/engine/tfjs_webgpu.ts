import * as tf from "@tensorflow/tfjs";
import { setImmediate } from "node:timers/promises";
import { chooseWebgpuInterface } from "../devices/webgpu.ts";
import { BackendError } from "./program.ts";
import { packagesFolder, requireBackend } from "./tfjs_package.ts";
import { registerTrigonometry } from "./tfjs_trigonometry.ts";

const WEBGPU = "webgpu";

/**
 * Starts tfjs's WebGPU backend on Deno's own WebGPU.
 *
 * @param folder Whose node_modules has the package.
 * @returns What has gone wrong on the device since.
 * @throws {BackendError} When the package or a GPU is not there.
 */
export async function loadTfjsWebgpu(
  folder: string = packagesFolder(),
): Promise<{ failure(): Promise<string | undefined> }> {
  const backend = "tfjs-webgpu";
  if (!tf.findBackendFactory(WEBGPU)) {
    chooseWebgpuInterface();
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
    async failure() {
      await setImmediate(); // Errors are events of the next turn.
      return failure;
    },
  };
}

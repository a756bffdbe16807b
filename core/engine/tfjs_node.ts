import * as tf from "@tensorflow/tfjs";
import util from "node:util";
import { BackendError } from "./program.ts";
import { packagesFolder, requireBackend } from "./tfjs_package.ts";

/** What tfjs calls the backend of both packages. */
export const TENSORFLOW = "tensorflow";

const THREADS_VARIABLE = "TF_NUM_INTRAOP_THREADS";

/**
 * Loads TensorFlow into tfjs as its backend {@linkcode TENSORFLOW}. A process can have one of the two packages, and the
 * first call fixes its threads.
 *
 * @param threads Of TensorFlow's operations on the processor.
 * @param folder Whose node_modules has the package.
 * @returns The threads that it has, and TensorFlow's version.
 * @throws {BackendError} When the package, TensorFlow's library or the GPU is not there.
 */
export async function loadTfjsNode(
  backend: "tfjs-node" | "tfjs-node-gpu",
  threads: number,
  folder: string = packagesFolder(),
): Promise<{ threads: number; versions: { tensorflow: string } }> {
  if (!tf.findBackendFactory(TENSORFLOW)) {
    // TensorFlow reads these once, as its library is loaded.
    Deno.env.set(THREADS_VARIABLE, String(threads));
    if (Deno.env.get("TF_CPP_MIN_LOG_LEVEL") === undefined) Deno.env.set("TF_CPP_MIN_LOG_LEVEL", "3");
    restoreUtil();
    requireBackend(backend, folder);
  }
  const present = tf.findBackendFactory(TENSORFLOW) && await tf.setBackend(TENSORFLOW);
  const started: Partial<NodeBackend> = present ? tf.backend() as Partial<NodeBackend> : {};
  if (started.isGPUPackage === undefined) {
    throw new BackendError(`The backend ${backend} does not start. Run deno task install:${backend} again.`);
  }
  if (started.isGPUPackage !== (backend === "tfjs-node-gpu")) {
    throw new BackendError(
      `The backend ${backend} cannot be had beside the other of tfjs-node and tfjs-node-gpu; start another process.`,
    );
  }
  if (started.isGPUPackage && !started.isUsingGpuDevice) {
    throw new BackendError(
      "The backend tfjs-node-gpu finds no GPU. It needs an NVIDIA GPU with its driver, CUDA 11.2 and cuDNN 8.1 on the " +
        "library path; TF_CPP_MIN_LOG_LEVEL=0 shows which library TensorFlow misses.",
    );
  }
  return {
    threads: Number(Deno.env.get(THREADS_VARIABLE)),
    versions: { tensorflow: started.binding?.TF_Version ?? "unknown" },
  };
}

/** What tfjs-node's backend says of itself. */
interface NodeBackend {
  readonly isGPUPackage: boolean;
  readonly isUsingGpuDevice: boolean;
  readonly binding: { readonly TF_Version: string };
}

/** tfjs-node calls two functions that node:util no longer has. */
function restoreUtil(): void {
  const old: { isNullOrUndefined?: (value: unknown) => boolean; isArray?: (value: unknown) => boolean } = util;
  old.isNullOrUndefined ??= (value) => value === null || value === undefined;
  old.isArray ??= Array.isArray;
}

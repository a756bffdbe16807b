import type { Engine } from "./program.ts";

export * from "./program.ts";

/** The backends by the names that `--backend` takes. */
export const BACKENDS = [
  "onnx-cpu",
  "onnx-webgpu",
  "onnx-cuda",
  "tfjs-node",
  "tfjs-node-gpu",
  "tfjs-webgpu",
  "tfjs-wasm",
  "tfjs-cpu",
] as const;

export type Backend = typeof BACKENDS[number];

/** What `--backend` takes: a backend, or `auto` for what suits the machine. */
export const BACKEND_CHOICES = ["auto", ...BACKENDS] as const;

/** A backend's name, or `auto`. */
export type BackendChoice = typeof BACKEND_CHOICES[number];

/**
 * Starts an engine. Only the chosen backend's package is loaded.
 *
 * @param backend Which backend runs the programs.
 * @param threads Threads on the processor, where the backend runs on it; tfjs-cpu and tfjs-wasm run on one.
 * @throws {BackendError} When the backend is not installed or its device is not there.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import * as tf from "@tensorflow/tfjs";
 * import { createEngine } from "./mod.ts";
 *
 * const engine = await createEngine("onnx-cpu", 1);
 * const state = engine.createState({ w: { shape: [2], data: Float32Array.of(1, 2) } });
 * const double = await engine.compile(({ w }) => ({ outputs: { w }, state: { w: tf.mul(w, 2) } }), state, {});
 * await double.run({});
 * ok((await double.run({})).w.join() === "2,4");
 * await double.dispose();
 * ```
 */
export async function createEngine(backend: Backend, threads: number): Promise<Engine> {
  switch (backend) {
    case "onnx-cpu": {
      const { createOnnxEngine } = await import("./onnx_engine.ts");
      return await createOnnxEngine(threads);
    }
    case "onnx-webgpu":
    case "onnx-cuda": {
      const { createDeviceEngine } = await import("./device_engine.ts");
      return createDeviceEngine(backend, { threads });
    }
    default: {
      const { createTfjsEngine } = await import("./tfjs_engine.ts");
      return createTfjsEngine(backend, threads);
    }
  }
}

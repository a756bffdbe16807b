import type { Engine } from "./program.ts";

export * from "./program.ts";

/** The backends by the names that `--backend` takes. */
export const BACKENDS = ["onnx-cpu", "tfjs-cpu", "tfjs-wasm"] as const;

export type Backend = typeof BACKENDS[number];

/**
 * Starts an engine. Only the chosen backend's package is loaded.
 *
 * @param backend Which backend runs the programs.
 * @param threads Threads of the compiled engine; the tfjs backends run on one.
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
  if (backend === "onnx-cpu") {
    const { createOnnxEngine } = await import("./onnx_engine.ts");
    return createOnnxEngine(threads);
  }
  const { createTfjsEngine } = await import("./tfjs_engine.ts");
  return createTfjsEngine(backend === "tfjs-cpu" ? "cpu" : "wasm");
}

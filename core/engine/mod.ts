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
 */
export async function createEngine(backend: Backend, threads: number): Promise<Engine> {
  if (backend === "onnx-cpu") {
    const { createOnnxEngine } = await import("./onnx_engine.ts");
    return createOnnxEngine(threads);
  }
  const { createTfjsEngine } = await import("./tfjs_engine.ts");
  return createTfjsEngine(backend === "tfjs-cpu" ? "cpu" : "wasm");
}

import { doesNotThrow, throws } from "assert";
import { createEngine } from "../../../core/engine/mod.ts";
import { standardGaussian } from "../../../core/reference/gaussian.ts";
import { RECIPES } from "../../../core/training/recipe.ts";
import { requireTrainingMemory } from "../../../core/training/memory.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { create, options } from "../../../denoisers/mlp.ts";
import { defaultsOf } from "../../../core/options/defaults.ts";

const INFO = { shape: [2], gaussian: standardGaussian(2) };

/** A network of which nothing may be drawn. */
function wide(hiddenSize: number): Denoiser {
  const denoiser = create(INFO, { ...defaultsOf(options), hiddenSize });
  return {
    ...denoiser,
    init: () => {
      throw new Error("Its parameters were drawn.");
    },
  };
}

Deno.test("what a training takes is worked out before anything is drawn, by its parameters and its batches", async () => {
  const engine = await createEngine("onnx-cpu", 1);
  const need = (denoiser: Denoiser, step: number, evaluation: number, free: number) => () =>
    requireTrainingMemory(engine, denoiser, INFO, RECIPES.default, { step, evaluation }, free);
  // 3000 x 3000 weights and those of the 384 embedded values, five times: 0.2 GB.
  throws(
    need(wide(3000), 1, 1, 0.2e9),
    /^BackendError: Training a network of 10,\d{3},\d{3} parameters takes .*0\.2 GB/,
  );
  doesNotThrow(need(wide(3000), 1, 1, 0.5e9));
  // 10,000 x 3000 activations of each layer, which the gradient needs.
  throws(
    need(wide(3000), 10_000, 1, 0.5e9),
    /^BackendError: Training a network of .* on 10,000 samples at a time .*--micro-batch-size or --batch-size/,
  );
  doesNotThrow(need(wide(3000), 10_000, 1, 1.5e9));
  throws(need(wide(3000), 1, 50_000, 0.7e9), /^BackendError: Evaluating .* on 50,000 samples .*--eval-batch-size/);
  // One that does not say its shapes is not known.
  const { shapes: _, ...unknown } = wide(3000);
  doesNotThrow(need(unknown, 10_000, 50_000, 1));
  engine.dispose();
});

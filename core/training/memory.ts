import { freeMemory } from "../devices/memory.ts";
import type { Engine } from "../engine/program.ts";
import { bytesOfInputs, peakBytes, requireMemory } from "../engine/graph_memory.ts";
import { recompute } from "../engine/recompute.ts";
import { record } from "../engine/recording.ts";
import { TRAINING_VECTORS } from "../layers/parameter_limit.ts";
import { errorInputs, errorProgram } from "../evaluation/errors.ts";
import { type DataInfo, type Denoiser, referenceOf, widthOfCondition } from "../plugins/contracts.ts";
import { layoutOf, unflattenTensor } from "./parameters.ts";
import type { Recipe } from "./recipe.ts";
import { GRADIENT, gradientInputs, gradientStep, PARAMS } from "./step.ts";

/** Backends whose tensors lie in the machine's own memory. */
const HOSTS: readonly string[] = ["onnx-cpu", "tfjs-cpu", "tfjs-wasm", "tfjs-node"];

/**
 * Refuses a training that the memory does not suffice for, before anything of it is allocated. Of a denoiser that does not
 * say the shapes of its parameters nothing is known here.
 *
 * @param sizes Samples whose gradient is computed at once, and those per run of the denoiser in evaluations.
 * @param free Bytes of memory.
 * @throws {BackendError} That says what to lower.
 */
export function requireTrainingMemory(
  { backend }: Engine,
  denoiser: Denoiser,
  info: DataInfo,
  recipe: Recipe,
  sizes: { readonly step: number; readonly evaluation: number; readonly checkpointing?: boolean },
  free: number = freeMemory(),
): void {
  if (!denoiser.shapes) return;
  const layout = layoutOf(denoiser.shapes), vector = [layout.size];
  const held = TRAINING_VECTORS * Float32Array.BYTES_PER_ELEMENT * layout.size;
  const network = `a network of ${layout.size.toLocaleString("en")} parameters`;
  requireMemory(held, `Training ${network}`, "Take a smaller one.", free);
  if (layout.size === 0 || !HOSTS.includes(backend)) return;

  const reference = referenceOf(info), condition = widthOfCondition(info);
  const steps = gradientInputs(sizes.step, info.shape, "f32", condition, denoiser.training?.draws);
  const step = record(
    gradientStep(denoiser, layout, recipe, reference, info),
    { [PARAMS]: vector, [GRADIENT]: vector },
    steps,
  );
  const ends = [...Object.values(step.outputs), ...Object.values(step.state)];
  requireMemory(
    held + bytesOfInputs(steps) +
      peakBytes(backend === "onnx-cpu" ? recompute(step.graph, ends, sizes.checkpointing) : ends),
    `Training ${network} on ${sizes.step.toLocaleString("en")} samples at a time`,
    "Lower --micro-batch-size or --batch-size, or take a smaller network.",
    free,
  );
  const rows = errorInputs(sizes.evaluation, info.shape, condition);
  const evaluation = record(
    errorProgram((state) => unflattenTensor(layout, state[PARAMS]), denoiser, reference, info),
    { [PARAMS]: vector },
    rows,
  );
  requireMemory(
    held + bytesOfInputs(rows) + peakBytes(Object.values(evaluation.outputs)),
    `Evaluating ${network} on ${sizes.evaluation.toLocaleString("en")} samples at a time`,
    "Lower --eval-batch-size, or take a smaller network.",
    free,
  );
}

import { floatSamples, type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { applyAxisMap } from "../data/standardisation.ts";
import type { Random } from "../random/random.ts";
import { createInpainter } from "../sampling/inpainting.ts";
import { INPAINTING, inpaintingPlan } from "../sampling/inpainting_plan.ts";
import type { ImputationOptions, ImputedRows } from "./impute.ts";
import { internalsOf } from "./internals.ts";
import type { Model } from "./model.ts";
import { requireCount } from "./use_ranges.ts";

/**
 * Fills in what is unknown of rows by sampling: of images, and of points whose reference does not say it in closed form.
 *
 * @param values `[n, ...shape]` in the data's own units, NaN where unknown.
 * @param told What is given of each, as `Samples.condition` has it.
 */
export async function inpaintRows(
  model: Model,
  values: Float64Array,
  told: Samples | undefined,
  random: Random,
  options: ImputationOptions,
): Promise<ImputedRows> {
  const { info, proposal } = model, { axes, shape } = info, d = sizeOf(shape), n = values.length / d;
  const { draws = INPAINTING.draws, batchSize = INPAINTING.batch, signal } = options;
  const { how, plan } = inpaintingPlan(options, proposal, info);
  const means = values.slice(), deviations = new Float64Array(values.length);
  const drawn = Array.from({ length: draws }, () => values.slice());
  const whole = { means, deviations, draws: drawn, cells: [], by: how.method };
  const open = Uint32Array.from(Array.from({ length: n }, (_, row) => row).filter((row) => lacks(values, row * d, d)));
  if (open.length === 0) return whole;
  // Means are those of draws.
  const times = Math.max(1, draws);
  requireCount(open.length * times, d);
  const seen = floatSamples(axes ? applyAxisMap(values, axes) : Float32Array.from(values), d);
  const known = toFloat32(selectRows(seen, open)), isKnown = Uint8Array.from(known, (x) => Number(!Number.isNaN(x)));
  const { engine, state, denoiser } = internalsOf(model), { condition: _, ...untold } = info;
  const inpainter = await createInpainter(engine, state, (s) => s, {
    ...{ denoiser, how, batch: Math.min(batchSize, open.length * times) },
    data: told ? info : untold,
  });
  const sums = { mean: new Float64Array(open.length * d), squares: new Float64Array(open.length * d) };
  try {
    const part = { values: known, isKnown, given: told && selectRows(told, open) };
    for await (const record of inpainter.fill(part, times, plan, random)) {
      signal?.throwIfAborted();
      if (record.kind !== "batch") continue;
      for (let i = 0; i < record.samples.length; i++) {
        const row = record.first + Math.floor(i / d), sample = Math.floor(row / times), draw = row % times, k = i % d;
        if (isKnown[sample * d + k]) continue;
        const value = axes ? record.samples[i] * axes.scale[k] + axes.mean[k] : record.samples[i];
        if (drawn[draw]) drawn[draw][open[sample] * d + k] = value;
        const change = value - sums.mean[sample * d + k];
        sums.mean[sample * d + k] += change / (draw + 1);
        sums.squares[sample * d + k] += change * (value - sums.mean[sample * d + k]);
      }
    }
  } finally {
    await inpainter.dispose();
  }
  sums.mean.forEach((mean, i) => {
    if (isKnown[i]) return;
    const at = open[Math.floor(i / d)] * d + i % d;
    means[at] = mean;
    deviations[at] = times > 1 ? Math.sqrt(sums.squares[i] / (times - 1)) : NaN;
  });
  return whole;
}

function lacks(values: Float64Array, at: number, d: number): boolean {
  for (let k = at; k < at + d; k++) if (Number.isNaN(values[k])) return true;
  return false;
}

import type { PointSamplesRecord } from "../figures/records.ts";
import { EXTENT, LEVELS, SIDE } from "../evaluation/picture.ts";
import { densityGrid } from "../model/density_grid.ts";
import { Random } from "../random/random.ts";
import type { LoadedModel } from "./load_model.ts";

/** Guided samples may lie further out than the data, but a picture is not made small by a few. */
const MOST_EXTENT = 2 * EXTENT;

/**
 * log p(x | c) of a two-dimensional model, where its samples lie.
 *
 * @param signal Ends it, with no panel.
 */
export async function givenPanel(
  model: LoadedModel,
  given: Readonly<Record<string, number>>,
  samples: Float32Array,
  seed: number,
  signal: AbortSignal,
): Promise<PointSamplesRecord["density"]> {
  const random = Random.fromSeed(seed).split("given panel");
  const furthest = samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const extent = Math.min(MOST_EXTENT, Math.max(EXTENT, Math.ceil(10 * furthest) / 10));
  try {
    const { logDensity, ...grid } = await densityGrid(model, {
      side: SIDE,
      extent,
      levels: LEVELS,
      random,
      given,
      signal,
    });
    return { panel: { epoch: model.epoch, logDensity }, ...grid, isGiven: true };
  } catch (error) {
    // Samples that were drawn before the stop are shown without it.
    if (signal.aborted) return undefined;
    throw error;
  }
}

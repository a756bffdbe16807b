import type { NamedValues } from "../data/condition_request.ts";
import { floatSamples } from "../data/samples.ts";
import { density, gridPoints } from "../evaluation/density.ts";
import { EXTENT, picturedDensity } from "../evaluation/picture.ts";
import type { Random } from "../random/random.ts";
import { toldSamples } from "./given.ts";
import { internalsOf } from "./internals.ts";
import type { Model } from "./model.ts";

/** A density on the grid of the figures. */
export interface DensityGrid {
  /** `[side, side]`, x₁ fastest, in nats of the values that the model sees. */
  readonly logDensity: Float32Array;
  readonly side: number;
  readonly extent: number;
  /** The blur that it is shown with, where it is finer than the grid. */
  readonly resolution?: number;
}

/**
 * log p(x) of a two-dimensional model on a square grid, or log p(x | c) where something is given.
 *
 * @param levels Log SNRs per point.
 */
export async function densityGrid(
  model: Model,
  { side, extent = EXTENT, levels, random, given, signal }: {
    readonly side: number;
    /** It covers [−extent, extent]². */
    readonly extent?: number;
    readonly levels: number;
    readonly random: Random;
    readonly given?: NamedValues | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<DensityGrid> {
  const options = signal ? { signal } : {};
  await using plain = await internalsOf(model).meter(options);
  const { meter, proposal, resolution } = await picturedDensity(
    plain,
    model.proposal,
    (wrap, reference) => internalsOf(model).meter({ ...options, wrap, reference }),
  );
  try {
    const grid = toldSamples(floatSamples(gridPoints(side, extent), 2), given, model.info.condition);
    const { logDensity } = await density(meter, grid, proposal, random, levels);
    return { logDensity, side, extent, ...(resolution === undefined ? {} : { resolution }) };
  } finally {
    if (meter !== plain) await meter.dispose();
  }
}

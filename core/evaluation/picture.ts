import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import type { Denoiser } from "../plugins/contracts.ts";
import { blurredMixture, type GaussianMixture } from "../reference/mixture.ts";
import { blurredDenoiser, blurredProposal } from "./blur.ts";
import type { ErrorMeter } from "./errors.ts";

/** The grids of the figures: log p on [−EXTENT, EXTENT]², with a coarser grid for a panel than for the overview. */
export const EXTENT = 3;
export const SIDE = 64;
export const FINE_SIDE = 112;

/** Log SNRs per point. */
export const LEVELS = 16;
export const FINE_LEVELS = 24;

/** Half of the finer grid's spacing. */
const RESOLUTION = EXTENT / (FINE_SIDE - 1);

/** How far, in nats, a proposal reaches beyond the log SNR at which the data's finest structure is seen. */
const REACH = 5;

/** What a density is drawn with. */
export interface Pictured {
  readonly meter: ErrorMeter;
  readonly proposal: Proposal;
  /** The blur that the density is shown with, where it is finer than the grid. */
  readonly resolution?: number;
}

/**
 * What a density is drawn with: as it is, or where it is finer than the grid as that of the data blurred by half of the
 * grid's spacing.
 *
 * @param plain Measures the error of the model.
 * @param meterOf Measures that of a denoiser made of the model's.
 */
export async function picturedDensity(
  plain: ErrorMeter,
  proposal: Proposal,
  meterOf: (wrap: (denoiser: Denoiser) => Denoiser, reference: GaussianMixture) => Promise<ErrorMeter>,
): Promise<Pictured> {
  const finest = Math.exp((REACH - logsnrRange(proposal)[1]) / 2);
  if (finest >= RESOLUTION) return { meter: plain, proposal };
  const meter = await meterOf(
    (denoiser) => blurredDenoiser(denoiser, RESOLUTION),
    blurredMixture(plain.reference, RESOLUTION),
  );
  return { meter, proposal: blurredProposal(proposal, RESOLUTION), resolution: RESOLUTION };
}

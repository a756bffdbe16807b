import { constants } from "./constants.ts";
import { convolutions } from "./convolution.ts";
import { elementwise } from "./elementwise.ts";
import type { Kernel } from "./kernel.ts";
import { normalisations } from "./normalisation.ts";
import { reductions } from "./reductions.ts";
import { resamplings } from "./resampling.ts";
import { shapes } from "./shapes.ts";

/** How each tfjs kernel is recorded, by its name in tfjs, and the layers that are one operation here. */
export const kernels: Readonly<Record<string, Kernel>> = {
  ...constants,
  ...convolutions,
  ...elementwise,
  ...normalisations,
  ...reductions,
  ...resamplings,
  ...shapes,
};

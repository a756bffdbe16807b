import type { ConformanceCase } from "./case.ts";
import { blockedConvolutions, narrowConvolutions, wideConvolutions } from "./convolutions.ts";
import { channel, gaussianErrors, likelihood } from "./diffusion.ts";
import { layers, normalisations } from "./layers.ts";
import { mlpFiveSteps, mlpGradients, mlpOneStep } from "./mlp.ts";
import { operations } from "./operations.ts";
import { exactTrajectory, mlpTrajectory } from "./sampling.ts";
import { mlpTenSteps, unetTenSteps } from "./training.ts";
import { oldUnet, unetGradients, unetValues } from "./unet.ts";

/** What every backend is held to. */
export const CASES: readonly ConformanceCase[] = [
  operations,
  narrowConvolutions,
  wideConvolutions,
  blockedConvolutions,
  normalisations,
  layers,
  channel,
  gaussianErrors,
  likelihood,
  exactTrajectory,
  mlpTrajectory,
  mlpGradients,
  mlpOneStep,
  mlpFiveSteps,
  mlpTenSteps,
  unetValues,
  unetGradients,
  oldUnet,
  unetTenSteps,
];

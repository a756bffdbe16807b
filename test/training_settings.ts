import { RECIPES } from "../core/training/recipe.ts";
import type { TrainingSettings } from "../core/training/settings.ts";

/** Those of a training of a moment, of which a test says what it is about. */
export const SETTINGS: TrainingSettings = {
  recipe: RECIPES.default,
  proposal: { loc: 1, scale: 1.5 },
  epochs: 3,
  batchSize: 32,
  microBatchSize: 32,
  precision: "f32",
  adaptiveProposal: false,
  learningRate: 1e-3,
  evalBatchSize: 64,
  validationLevels: 2,
  validationSamples: Infinity,
  blend: false,
  patience: Infinity,
};

import { imageShape } from "../figures/pictures.ts";
import { DEFAULTS, type FitDefaults } from "../model/settings.ts";
import { drawFigures } from "./figures.ts";
import { SampleGrids } from "./sample_grids.ts";
import type { TaskSpec } from "./options.ts";
import type { TrainingTask } from "./training_task.ts";

/** What a task that trains on images has of its own. */
export type ImageTaskSpec = Pick<TaskSpec, "name" | "summary" | "preset"> & {
  /** The data set where none is named. */
  readonly dataset: string;
  /** Where others are usual than for images. */
  readonly defaults?: Partial<FitDefaults>;
};

/** A task that trains a density of images and draws a grid of samples after each validation. */
export function imageTask({ name, summary, dataset, preset, defaults }: ImageTaskSpec): TrainingTask {
  return {
    ...{ name, summary, ...(preset ? { preset } : {}), ofImages: true },
    defaults: { ...DEFAULTS.images, ...defaults, dataset },
    options: {
      samples: {
        default: 16,
        min: 0,
        max: 256,
        integer: true,
        help: "Images drawn after each validation, 0 for none.",
      },
      sampleSteps: { default: 25, min: 2, max: 10_000, integer: true, help: "Evaluations of the denoiser per image." },
    },
    unsupported: ({ shape }) =>
      imageShape(shape)
        ? undefined
        : `has samples of shape [${shape}]; ${name} trains on images, of shape [channels, height, width].`,
    measure: { testLevels: 1, curvePoints: 33, curveSamples: 64 },
    show(run, { figures, dataset, taskOptions: { samples, sampleSteps } }) {
      if (!figures) return {};
      const grids = samples === 0
        ? undefined
        : new SampleGrids(run, dataset.name, Number(samples), Number(sampleSteps));
      return {
        afterEpoch: async (end, events) => await grids?.draw(end, events),
        draw: async (measurements) => [
          ...await drawFigures(run, dataset.name, measurements, undefined),
          ...(grids?.last ? [grids.last] : []),
        ],
      };
    },
  };
}

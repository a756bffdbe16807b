import "../core/cli/listen.ts";
import { DEFAULTS } from "../core/mod.ts";
import { imageShape } from "../core/figures/pictures.ts";
import { mainOnRanks } from "../core/cli/mod.ts";
import { drawFigures } from "../core/run/figures.ts";
import { SampleGrids } from "../core/run/sample_grids.ts";
import { runTrainingTask, type TrainingTask } from "../core/run/training_task.ts";

const task: TrainingTask = {
  name: "train:cifar",
  summary: "Trains a density of images, or fine-tunes a pretrained U-Net to one. Its loss is a likelihood.",
  defaults: { ...DEFAULTS.images, dataset: "cifar10" },
  options: {
    samples: { default: 16, min: 0, max: 256, integer: true, help: "Images drawn after each validation, 0 for none." },
    sampleSteps: { default: 25, min: 2, max: 10_000, integer: true, help: "Evaluations of the denoiser per image." },
  },
  unsupported: ({ shape }) =>
    imageShape(shape)
      ? undefined
      : `has samples of shape [${shape}]; train:cifar trains on images, of shape [channels, height, width].`,
  measure: { testLevels: 1, curvePoints: 33, curveSamples: 64 },
  show(run, { figures, dataset, taskOptions: { samples, sampleSteps } }) {
    if (!figures) return {};
    const grids = samples === 0 ? undefined : new SampleGrids(run, dataset.name, Number(samples), Number(sampleSteps));
    return {
      afterEpoch: async (end, events) => await grids?.draw(end, events),
      draw: async (measurements) => [
        ...await drawFigures(run, dataset.name, measurements, undefined),
        ...(grids?.last ? [grids.last] : []),
      ],
    };
  },
};

await mainOnRanks((ranks) => runTrainingTask(task, Deno.args, ranks));

import "../core/cli/listen.ts";
import { DEFAULTS, SEED_POINTS } from "../core/mod.ts";
import { DensityPanels } from "../core/run/density_panels.ts";
import { mainOnRanks } from "../core/cli/mod.ts";
import { drawFigures } from "../core/run/figures.ts";
import { runTrainingTask, type TrainingTask } from "../core/run/training_task.ts";

const task: TrainingTask = {
  name: "train:2d",
  summary: "Trains a density of points. Its loss is a likelihood, and it draws the density that it learns.",
  defaults: { ...DEFAULTS.points, dataset: "dino" },
  seedDefaults: SEED_POINTS,
  unsupported: ({ shape }) =>
    shape.length === 1 ? undefined : `has samples of shape [${shape}]; train:2d trains on points, of shape [d].`,
  measure: { validationLevels: 32, testLevels: 2, curvePoints: 97, curveSamples: Infinity },
  async show(run, { figures, dataset }) {
    if (!figures) return {};
    const { folder, training, proposal, random, config, data, from } = run;
    // Of a table's levels there is no density to draw.
    const panels = data.shape[0] === 2 && !data.table
      ? await DensityPanels.open(
        folder,
        training,
        proposal,
        random.split("density"),
        config.epochs,
        from?.epoch ?? 0,
      )
      : undefined;
    return {
      onEpoch: async ({ epoch, isLast }) => await panels?.add(epoch, isLast),
      draw: (measurements) => drawFigures(run, dataset.name, measurements, panels),
    };
  },
};

await mainOnRanks((ranks) => runTrainingTask(task, Deno.args, ranks));

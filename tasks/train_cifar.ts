import "../core/cli/listen.ts";
import { mainOnRanks } from "../core/cli/mod.ts";
import { imageTask } from "../core/run/image_task.ts";
import { runTrainingTask } from "../core/run/training_task.ts";

const task = imageTask({
  name: "train:cifar",
  summary: "Trains a density of images, or fine-tunes a pretrained U-Net to one. Its loss is a likelihood.",
  dataset: "cifar10",
});

await mainOnRanks((ranks) => runTrainingTask(task, Deno.args, ranks));

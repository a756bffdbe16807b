import "../core/cli/listen.ts";
import { mainOnRanks } from "../core/cli/mod.ts";
import { imageTask } from "../core/run/image_task.ts";
import { runTrainingTask } from "../core/run/training_task.ts";
import type { OptionValues } from "../core/options/spec.ts";

/** The channels by level of diffusers' U-Net where a processor trains it. */
const CHANNELS = "16,32";

/** A narrow U-Net of random weights, unless it is said what to begin with. */
function preset(denoiser: string, given: ReadonlySet<string>): OptionValues {
  if (denoiser !== "unet-pretrained" || given.has("weights") || given.has("fromScratch")) return {};
  return { fromScratch: true, ...(given.has("config") ? {} : { channels: CHANNELS }) };
}

/**
 * Where 8-bit images have their information: from where their largest structure shows up to where their grey values are
 * told apart, beyond which a bound on −log P rounds.
 */
const PROPOSAL = { loc: 5, scale: 2.25 };

const task = imageTask({
  name: "train:image",
  summary: "Trains a density of images of a file, folder or data set. Its loss is a likelihood.",
  dataset: "mnist",
  defaults: { denoiser: "unet", learningRate: "auto", batchSize: 32, evalBatchSize: 64, proposal: PROPOSAL },
  preset,
});

await mainOnRanks((ranks) => runTrainingTask(task, Deno.args, ranks));

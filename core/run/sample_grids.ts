import { existsSync } from "node:fs";
import { type ClassVariable, conditionWidth, encodeCondition, listedLevels } from "../data/condition.ts";
import { floatSamples, type Samples } from "../data/samples.ts";
import { samplingGrid, type SamplingPlan, samplingSteps } from "../diffusion/sampling.ts";
import { type ImageShape, imageShape, type Picture } from "../figures/pictures.ts";
import type { Events } from "../io/tensorboard.ts";
import { mostRows } from "../mpi/mod.ts";
import type { PreparedRun } from "./prepare.ts";
import type { EpochEnd } from "./train_run.ts";

/** Samples at a time; memory is that of so many activations. */
const BATCH = 16;

/** What images without a known range are taken to lie in. */
const IMAGE_RANGE = [-1, 1] as const;

/** Grids of images that the model draws in the course of training, always from the same noise. */
export class SampleGrids {
  readonly #plan: SamplingPlan;
  readonly #shape: ImageShape;
  /** The path of the last grid within the run's folder. */
  last: string | undefined;

  /**
   * @param name The data set's name, for the title.
   * @param count How many images a grid has.
   * @param steps Evaluations of the denoiser per image.
   */
  constructor(readonly run: PreparedRun, readonly name: string, readonly count: number, readonly steps: number) {
    const logsnr = samplingGrid("ode", run.proposal, steps);
    this.#plan = { logsnr, steps: samplingSteps("ode", logsnr) };
    this.#shape = imageShape(run.data.shape)!;
  }

  /** The class that the samples have in turn, where that is what is known of one. */
  #classes(): ClassVariable | undefined {
    const [own, ...others] = this.run.data.condition ?? [];
    return own?.kind === "class" && others.length === 0 ? own : undefined;
  }

  #given(): Samples | undefined {
    const own = this.#classes(), { condition } = this.run.data;
    if (!own || !condition) return undefined;
    const values = Array.from({ length: this.count }, (_, i) => own.levels[i % own.levels.length]);
    return floatSamples(encodeCondition(condition, values), conditionWidth(condition));
  }

  /**
   * Draws a grid as `figures/samples-EPOCH.svg` and for TensorBoard, unless a resumed run has it already, or the run
   * is asked to stop meanwhile.
   */
  async draw({ epoch, step, isResumed }: EpochEnd, events: Events): Promise<void> {
    const file = `figures/samples-${String(epoch).padStart(6, "0")}.svg`;
    if (isResumed && existsSync(this.run.folder.file(file))) {
      this.last = file;
      return;
    }
    const { encodePng, imageGridFigure, pictureGrid, pictureOf, renderSvg } = await import("../figures/mod.ts");
    const { training, random, folder, data, ranks } = this.run;
    const pictures: Picture[] = [];
    const { channels, height, width } = this.#shape;
    const size = channels * height * width;
    // Made anew for each grid, so that its memory is free while the model trains.
    const sampler = await training.samplerOf(Math.min(BATCH, mostRows(ranks, this.count)));
    try {
      for await (const record of sampler.draw(this.count, this.#plan, random.split("samples"), this.#given())) {
        if (ranks.stop.aborted) return;
        if (record.kind !== "batch") continue;
        for (let i = 0; i < record.samples.length; i += size) {
          pictures.push(pictureOf(record.samples.subarray(i, i + size), this.#shape, data.range ?? IMAGE_RANGE));
        }
      }
    } finally {
      await sampler.dispose();
    }
    if (!folder.isWritten) return;
    const grid = pictureGrid(pictures);
    events.image("samples", encodePng(grid), grid.width, grid.height, step);
    // A run that goes on takes the file for a sign that both are there.
    events.sync();
    const own = this.#classes();
    const given = own ? `, given ${own.name} ${listedLevels(own)} in turn` : "";
    const subtitle = `${this.count} samples after epoch ${epoch}, by ode in ${this.steps} steps${given}`;
    const svg = await renderSvg(imageGridFigure({ title: `${this.name}: samples`, subtitle }, pictures));
    await folder.write(file, svg);
    this.last = file;
  }
}

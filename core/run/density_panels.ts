import { givenSame } from "../data/condition.ts";
import { floatSamples } from "../data/samples.ts";
import { density, gridPoints } from "../evaluation/density.ts";
import type { DensityPanel } from "../figures/records.ts";
import { encodeSafetensors, readSafetensors } from "../io/safetensors.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { EXTENT, FINE_LEVELS, FINE_SIDE, LEVELS, type Pictured, picturedDensity, SIDE } from "../evaluation/picture.ts";
import type { Random } from "../random/random.ts";
import type { Training } from "../training/train.ts";
import type { RunFolder } from "./folder.ts";

const MAX_PANELS = 8;
const FILE = "density.safetensors";

/**
 * The density of a two-dimensional model at up to eight epochs through training, kept in the run's folder so that a
 * resumed run has those from before.
 */
export class DensityPanels {
  readonly #panels = new Map<number, Float32Array>();
  #last: number | undefined;

  private constructor(
    readonly folder: RunFolder,
    readonly epochs: readonly number[],
    readonly pictured: Pictured,
    readonly random: Random,
  ) {}

  /** The blur that the density is shown with, where it is finer than the grid. */
  get resolution(): number | undefined {
    return this.pictured.resolution;
  }

  /**
   * @param training Whose model is shown.
   * @param proposal The log SNRs of the run.
   * @param random Where the estimates' noise is drawn from; it is the same for every panel.
   * @param epochs The number of epochs that the run has.
   * @param finished The number that it has finished; earlier panels are read back.
   */
  static async open(
    folder: RunFolder,
    training: Training,
    proposal: Proposal,
    random: Random,
    epochs: number,
    finished: number,
  ): Promise<DensityPanels> {
    const panels = new DensityPanels(
      folder,
      panelEpochs(epochs),
      await picturedDensity(training.meter, proposal, training.meterOf),
      random,
    );
    if (finished > 0) {
      const { tensors } = await readSafetensors(folder.file(FILE)).catch(() => ({ tensors: {} }));
      for (const [name, { data }] of Object.entries(tensors)) {
        const epoch = Number(name.replace("epoch.", ""));
        if (epoch <= finished && data instanceof Float32Array && data.length === SIDE * SIDE) {
          panels.#panels.set(epoch, data);
        }
      }
    }
    return panels;
  }

  /**
   * Adds the model's density as it is now, if the epoch is one that is shown and is not there yet.
   *
   * @param isLast Whether training ends with it, and so is shown.
   */
  async add(epoch: number, isLast: boolean): Promise<void> {
    if (isLast) this.#last = epoch;
    if (!this.#isShown(epoch) || this.#panels.has(epoch)) return;
    const logDensity = await this.#density(SIDE, LEVELS);
    this.#panels.set(epoch, logDensity);
    const tensors = Object.fromEntries(
      [...this.#panels].map(([key, data]) => [`epoch.${key}`, { shape: [SIDE, SIDE], data }]),
    );
    const metadata = {
      extent: String(EXTENT),
      unit: "nats",
      quantity: "log density, x1 fastest",
      ...(this.resolution === undefined ? {} : { blurred_by: String(this.resolution) }),
    };
    await this.folder.write(FILE, encodeSafetensors(tensors, metadata));
  }

  /** The model's density as it is now on the finer grid. */
  fine(): Promise<Float32Array> {
    return this.#density(FINE_SIDE, FINE_LEVELS);
  }

  /** The model's density as it is now given what is known, as its condition's vector. */
  given(vector: Float32Array): Promise<Float32Array> {
    return this.#density(SIDE, LEVELS, vector);
  }

  async #density(side: number, levels: number, vector?: Float32Array): Promise<Float32Array> {
    // Drawn anew, so that a panel does not depend on how many were drawn before.
    const random = this.random.split(side);
    const { meter, proposal } = this.pictured;
    const points = floatSamples(gridPoints(side, EXTENT), 2), told = vector ? givenSame(points, vector) : points;
    return (await density(meter, told, proposal, random, levels)).logDensity;
  }

  #isShown(epoch: number): boolean {
    return this.epochs.includes(epoch) || epoch === this.#last;
  }

  /** The panels in the order of their epochs. */
  list(): DensityPanel[] {
    return [...this.#panels]
      .filter(([epoch]) => this.#isShown(epoch))
      .sort(([a], [b]) => a - b)
      .map(([epoch, logDensity]) => ({ epoch, logDensity }));
  }
}

/** A run's density at an epoch as {@linkcode DensityPanels} saved it; none where that epoch has no panel. */
export async function readPanel(folder: RunFolder, epoch: number): Promise<
  { panel: DensityPanel; side: number; extent: number; resolution?: number } | undefined
> {
  // A picture's background is worth no error: without it only the points are drawn.
  const file = await readSafetensors(folder.file(FILE)).catch(() => undefined);
  const logDensity = file?.tensors[`epoch.${epoch}`]?.data;
  if (!(logDensity instanceof Float32Array) || logDensity.length !== SIDE * SIDE) return undefined;
  const resolution = Number(file?.metadata.blurred_by);
  return {
    panel: { epoch, logDensity },
    side: SIDE,
    extent: EXTENT,
    ...(resolution > 0 ? { resolution } : {}),
  };
}

/** Epochs spread evenly over training, the last among them. */
export function panelEpochs(epochs: number): number[] {
  const count = Math.min(MAX_PANELS, epochs);
  return Array.from({ length: count }, (_, k) => Math.round((k + 1) * epochs / count));
}

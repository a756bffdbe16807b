import { density, gridPoints } from "../evaluation/density.ts";
import type { ErrorMeter } from "../evaluation/errors.ts";
import type { DensityPanel } from "../figures/records.ts";
import { encodeSafetensors, readSafetensors } from "../io/safetensors.ts";
import { writeFileAtomic } from "../io/atomic.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import type { Random } from "../random.ts";
import type { RunFolder } from "./folder.ts";

/** The grid of a panel: log p on [−EXTENT, EXTENT]², this many points along each axis. */
export const EXTENT = 3;
export const SIDE = 48;

/** Log SNRs per point of a panel. */
const LEVELS = 20;

const MAX_PANELS = 8;
const FILE = "density.safetensors";

/**
 * The density of a two-dimensional model at up to eight epochs through training, kept in the run's folder so that a
 * resumed run has those from before.
 */
export class DensityPanels {
  readonly #panels = new Map<number, Float32Array>();

  private constructor(readonly folder: RunFolder, readonly epochs: readonly number[]) {}

  /**
   * @param epochs The number of epochs that the run has.
   * @param finished The number that it has finished; earlier panels are read back.
   */
  static async open(folder: RunFolder, epochs: number, finished: number): Promise<DensityPanels> {
    const panels = new DensityPanels(folder, panelEpochs(epochs));
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

  /** Adds the model's density as it is now, if the epoch is one that is shown. */
  async add(epoch: number, meter: ErrorMeter, proposal: Proposal, random: Random): Promise<void> {
    if (!this.epochs.includes(epoch)) return;
    const { logDensity } = await density(meter, gridPoints(SIDE, EXTENT), proposal, random, LEVELS);
    this.#panels.set(epoch, logDensity);
    const tensors = Object.fromEntries(
      [...this.#panels].map(([key, data]) => [`epoch.${key}`, { shape: [SIDE, SIDE], data }]),
    );
    const metadata = { extent: String(EXTENT), unit: "nats", quantity: "log density, x1 fastest" };
    await writeFileAtomic(this.folder.file(FILE), encodeSafetensors(tensors, metadata));
  }

  /** The panels in the order of their epochs. */
  list(): DensityPanel[] {
    return [...this.#panels]
      .filter(([epoch]) => this.epochs.includes(epoch))
      .sort(([a], [b]) => a - b)
      .map(([epoch, logDensity]) => ({ epoch, logDensity }));
  }
}

/** Epochs spread evenly over training, the last among them. */
export function panelEpochs(epochs: number): number[] {
  const count = Math.min(MAX_PANELS, epochs);
  return Array.from({ length: count }, (_, k) => Math.round((k + 1) * epochs / count));
}

import type { Samples } from "../data/samples.ts";
import type { Engine, State } from "../engine/mod.ts";
import type { ErrorMeter } from "../evaluation/errors.ts";
import type { MeterOptions } from "../evaluation/row_program.ts";
import type { Ranks } from "../mpi/ranks.ts";
import type { Dataset, Denoiser } from "../plugins/contracts.ts";
import type { GaussianMixture } from "../reference/mixture.ts";
import type { BatchRecord, EvaluationRecord } from "../sampling/sampler.ts";
import type { Given } from "./given.ts";
import type { DrawOptions, Model } from "./model.ts";
import type { Rows } from "./rows.ts";

/** How a model is measured. */
export interface ModelMeterOptions extends MeterOptions {
  /** Samples per run of the denoiser. */
  readonly batch?: number;
  /** Makes another denoiser of the model's own. */
  readonly wrap?: (denoiser: Denoiser) => Denoiser;
  /** What it is compared with; the model's own reference if left out. */
  readonly reference?: GaussianMixture;
}

/** The data that a model was trained on. */
export type OwnRows = () => Promise<Pick<Dataset, "train" | "validation" | "test">>;

/** The machinery of a model, which tasks need and programs do not. */
export interface ModelInternals {
  readonly engine: Engine;
  /** The parameters on the engine, by their names. */
  readonly state: State;
  readonly denoiser: Denoiser;
  /** Samples per run of the denoiser in evaluations. */
  readonly evalBatchSize: number;
  /** The data that it was trained on; none where it is not known. */
  readonly ownRows?: OwnRows | undefined;
  /** Rows in the data's own units as the model sees them, with what is given of them. */
  samplesOf(rows: Rows | Samples, given?: Given): Samples;
  /** Measures the error of the model, or of a denoiser made of its own. */
  meter(options?: ModelMeterOptions): Promise<ErrorMeter & AsyncDisposable>;
  /** Draws as {@linkcode Model.draw} does, on all ranks together. */
  draw(
    count: number,
    options?: DrawOptions & { readonly ranks?: Ranks },
  ): AsyncGenerator<EvaluationRecord | BatchRecord, void>;
}

/** Where a model keeps them, out of its users' sight. */
export const INTERNALS: unique symbol = Symbol("internals");

/** @throws {TypeError} For a model that was not made here. */
export function internalsOf(model: Model & { readonly [INTERNALS]?: ModelInternals }): ModelInternals {
  const internals = model[INTERNALS];
  if (!internals) throw new TypeError("The model has no internals. Make it by fit, loadModel or importUnet.");
  return internals;
}

import { sizeOf } from "../data/tensors.ts";
import { conditionWidth } from "../data/condition.ts";
import type { Samples } from "../data/samples.ts";
import { InterruptedError } from "../errors/interrupted_error.ts";
import { UserError } from "../errors/user_error.ts";
import { type RoundLimits, takeRounds } from "../evaluation/take_rounds.ts";
import { type Given, toldSamples } from "../model/given.ts";
import { internalsOf } from "../model/internals.ts";
import type { CommonOptions, Model } from "../model/model.ts";
import { type Rows, scaledRows } from "../model/rows.ts";
import { MEASURING } from "../model/use_ranges.ts";
import { requireAllowed } from "../options/given.ts";
import { Random } from "../random/random.ts";
import { classesOf, classInformation } from "./class_information.ts";
import { createInformationMeter } from "./information_meter.ts";
import type { LabelInformation } from "./label_entropy.ts";
import { type ConditionInformation, RunningInformation } from "./running_information.ts";

/** How the information that a model has of a condition is measured. */
export interface ConditionInformationOptions extends CommonOptions, RoundLimits {
  /** What is known of each row, where rows are given; samples of a data set have it with them. */
  readonly given?: Given;
  /** Samples whose maps are kept, by their places; with an empty list the mean map alone, and none if left out. */
  readonly mapped?: readonly number[];
  /** Samples per run of the denoiser, the model's if left out. */
  readonly batchSize?: number;
  /** Called with the rounds that are done, in parts of one, how many there will be, and the noise's error so far. */
  readonly onProgress?: (done: number, total: number, noiseStderr: number | undefined) => void;
}

/** What a model with a condition has of its samples' information about it. */
export interface ModelInformation extends ConditionInformation {
  /** Of a condition that is all classes, of samples that are of two at least. */
  readonly classes?: LabelInformation;
}

/**
 * I(X; C), in nats, of samples and what is known of them, by a model of p(x) and p(x | c): how much further c brings log p.
 * Both are of one network on the same log SNRs and noise (X. Kong et al., arXiv 2310.07972).
 *
 * @param rows Samples of a data set with their condition, or rows with `given`, a record for each.
 * @throws {UserError} For a model without a condition, samples of which nothing is known, or a model that has diverged.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { fit } from "../model/fit.ts";
 * import { Random } from "../random/random.ts";
 * import { conditionInformation } from "./condition_information.ts";
 *
 * // Two classes at a distance of ten deviations: a point says all about its own.
 * const random = Random.fromSeed(0);
 * const rows = Array.from({ length: 400 }, (_, i) => [10 * (i % 2) + random.normal(), random.normal(), i % 2]);
 * await using model = await fit(rows, { condition: [2], epochs: 1, denoiserOptions: { width: 8 } });
 * const { difference, orthogonal, classes } = await conditionInformation(model, model.data.validation);
 * ok(Math.abs(difference.mean - Math.LN2) < 0.1 && Math.abs(orthogonal.mean - Math.LN2) < 0.2);
 * ok(classes!.conditional.mean < 0.1);
 * ```
 */
export async function conditionInformation(
  model: Model,
  rows: Rows | Samples,
  { given, mapped, batchSize, onProgress, seed = 0, signal, ...limits }: ConditionInformationOptions = {},
): Promise<ModelInformation> {
  requireAllowed(MEASURING, { ...limits, seed });
  const { condition, shape, axes } = model.info, d = sizeOf(shape);
  if (!condition) {
    throw new UserError("The model has no condition to have information of. Fit it with one, as --condition label.");
  }
  const own = "copy" in rows && typeof rows.copy === "function" ? rows as Samples : scaledRows(rows as Rows, d, axes);
  const samples = toldSamples(own, given, condition), names = condition.map(({ name }) => name).join(" and ");
  if (samples.dimension !== d) {
    throw new UserError(`Got samples of ${samples.dimension} values, but the model is of samples of ${d}.`);
  }
  if (samples.condition?.dimension !== conditionWidth(condition)) {
    throw new UserError(`Nothing says ${names} of the samples. Give data that does, or a record of each as given.`);
  }
  const { engine, state, denoiser, evalBatchSize } = internalsOf(model);
  const batch = Math.min(batchSize ?? evalBatchSize, 2 * samples.count), ended = signal ? { signal } : {};
  const meter = await createInformationMeter(engine, state, (s) => s, denoiser, model.info, batch, {
    ...{ squares: mapped !== undefined, ...ended },
  });
  try {
    const random = Random.fromSeed(seed).split("information");
    const running = new RunningInformation(meter, samples, model.proposal, random, mapped);
    await running.adapt(signal);
    const hooks = { ...ended, ...(onProgress ? { onProgress } : {}) };
    if (!await takeRounds(running, samples.count, limits, hooks)) throw new InterruptedError();
    const information = running.information(), places = classesOf(samples, condition);
    if (!Number.isFinite(information.difference.mean + information.orthogonal.mean)) {
      throw new UserError(
        "The information came out as no finite number: the model has diverged, or the data is not its own.",
      );
    }
    const classes = places && new Set(places).size > 1
      ? classInformation(information.difference.perRow, places)
      : undefined;
    return { ...information, ...(classes ? { classes } : {}) };
  } finally {
    await meter.dispose();
  }
}

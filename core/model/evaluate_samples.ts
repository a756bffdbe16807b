import type { Samples } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { UserError } from "../errors/user_error.ts";
import { imageShape } from "../figures/pictures.ts";
import { requireAllowed } from "../options/given.ts";
import { compareSamples, type Quality } from "../quality/compare.ts";
import { findingsOf } from "../quality/findings.ts";
import { Random } from "../random/random.ts";
import type { SamplingOptions } from "../sampling/plan.ts";
import { internalsOf } from "./internals.ts";
import type { CommonOptions, Model } from "./model.ts";
import { clipToRange, comparedSets, MOST_COMPARED, qualityRows } from "./quality_sets.ts";
import type { Rows } from "./rows.ts";
import { DRAWING, requireCount } from "./use_ranges.ts";

/** With what samples are compared. */
export interface EvaluationOptions extends SamplingOptions, CommonOptions {
  /** Samples to judge, of any program; the model's own are drawn, if left out. */
  readonly samples?: Rows | Samples;
  /** Rows of the same density that the model has not seen; the test or validation part of its own data, if left out. */
  readonly heldOut?: Rows | Samples;
  /** What the model was trained on, of which copies are looked for; its own, if left out. */
  readonly training?: Rows | Samples;
  /** Rows of each set: as many as are held out, at most 5000 points or 1000 images, if left out. */
  readonly count?: number;
  /** Samples per run of the denoiser, 64 if left out. */
  readonly batchSize?: number;
}

/** How good samples are, and what of it is worth a sentence. */
export interface SampleQuality extends Quality {
  /** Nothing where samples are as good as training rows by all of it. */
  readonly findings: readonly string[];
}

/**
 * How good a model's samples are: how well classifiers tell them from held-out rows, distances of their columns and of the
 * pairs of these, and whether they are copies of training rows; each beside what as many training rows get. It is what
 * `deno task evaluate` says, of the same seed the same numbers, but for features of images. Of a conditional model samples of
 * p(x) are compared, with nothing given.
 *
 * @throws {UserError} For rows that do not fit or are fewer than 24.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { evaluateSamples } from "./evaluate_samples.ts";
 * import { fit } from "./fit.ts";
 * import { loadData } from "./load_data.ts";
 *
 * const data = await loadData("scg", { options: { points: 1000 } });
 * await using model = await fit(data, { denoiser: "gaussian", epochs: 1 });
 * const { classifiers: [trees], findings } = await evaluateSamples(model, { steps: 50 });
 * ok(findings.length === 0 && trees.samples.pValue > 0.01);
 * const doubled = Array.from({ length: 100 }, (_, i) => [i / 10, -i / 10]);
 * ok((await evaluateSamples(model, { samples: doubled })).findings.length > 0);
 * ```
 */
export async function evaluateSamples(model: Model, options: EvaluationOptions = {}): Promise<SampleQuality> {
  const { samples: given, heldOut, training, count, seed = 0, batchSize, signal, ...sampling } = options;
  requireAllowed(DRAWING, { ...options });
  signal?.throwIfAborted();
  const { info } = model, { shape, range } = info, d = sizeOf(shape), { ownRows, samplesOf, draw } = internalsOf(model);
  const own = heldOut && training ? undefined : await ownRows?.();
  const [rest, seen] = [heldOut ?? own?.test ?? own?.validation, training ?? own?.train];
  if (!rest || !seen) {
    throw new UserError("The model has no data of its own that samples are compared with. Give heldOut and training.");
  }
  const random = Random.fromSeed(seed).split("evaluate");
  const sets = { heldOut: samplesOf(rest), training: samplesOf(seen), ...(given ? { samples: samplesOf(given) } : {}) };
  const most = imageShape(shape) ? MOST_COMPARED.images : MOST_COMPARED.points;
  const data = qualityRows(sets, { count, most, random });
  requireCount(data.rows, d);
  let { samples } = data;
  if (!samples) {
    samples = new Float32Array(data.rows * d);
    const drawing = {
      ...sampling,
      seed,
      ...(batchSize === undefined ? {} : { batchSize }),
      ...(signal ? { signal } : {}),
    };
    for await (const record of draw(data.rows, drawing)) {
      if (record.kind === "batch") samples.set(record.samples, record.first * d);
    }
    if (imageShape(shape) && range) clipToRange(samples, range);
  }
  const { quality } = await compareSamples(comparedSets(info, data, samples, random), {
    ...{ random: random.split("compare"), ...(signal ? { signal } : {}) },
  });
  return { ...quality, findings: findingsOf(quality) };
}
